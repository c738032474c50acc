"""Several servers and projectors on one Postgres: whichever is stopped, the others go on."""

import signal
import subprocess
import sys
from contextlib import ExitStack, closing

from projector.runner.lease_monitor import JOB
from projector.store import lease
from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.senders import Sent, check_log, check_tables, event, sending
from tests.serving.servers import LONG, Serving, problem, projecting, serving, until_ready
from tests.serving.talking import ask, webhook
from tests.serving.watching import watched
from tests.support.command import environment
from tests.support.followers import found
from tests.support.items import read_log

_LAG_MAX = 20


def _is_of(server: Serving, database: Database) -> bool:
    """Whether it is a server that projects."""
    return f":{server.process.pid}:" in (found(database).holder or "")


def test_one_that_is_stopped_and_killed_is_replaced_and_readiness_tells_the_truth(
    migrated_postgres_url: str,
) -> None:
    with closing(Database(migrated_postgres_url)) as database, ExitStack() as stack:
        first = stack.enter_context(serving(migrated_postgres_url, "--lag-max", str(_LAG_MAX)))
        within(LONG, lambda: _is_of(first, database))
        second = stack.enter_context(serving(migrated_postgres_url, "--lag-max", str(_LAG_MAX)))
        stack.enter_context(projecting(migrated_postgres_url))
        until_ready(first, second)
        ports = [first.port]
        with (
            watched(second, database, lag_max=_LAG_MAX) as seen,
            sending(lambda: second.port, first=10_000, connections=3, pause=0.02) as to_second,
            sending(lambda: ports[0], connections=3, pause=0.02) as to_first,
        ):
            _goes_on(to_first, to_second)
            first.send(signal.SIGSTOP)
            # Nobody projects until the lease has run out, and the server that goes on says so.
            within(LONG, lambda: not second.is_ready())
            within(LONG, lambda: not _is_of(first, database))
            until_ready(second)
            _goes_on(to_second)
            ports[0] = second.port
            first.send(signal.SIGKILL)
            _goes_on(to_first, to_second)
            # On a busy machine it may just be behind again.
            within(LONG, lambda: seen.said[-1][0])
        for sent in (to_first, to_second):
            check_log(database, sent)
        check_tables(database)
        within(LONG, lambda: second.readiness()["lag"] == 0)
        until_ready(second)
    assert seen.lies == []
    # It was ready, then it was not, then it was again.
    assert len(seen.said) >= 3
    assert seen.said[0][0]


def test_one_that_is_stopped_goes_on_beside_the_others_later(migrated_postgres_url: str) -> None:
    with (
        closing(Database(migrated_postgres_url)) as database,
        serving(migrated_postgres_url) as first,
        serving(migrated_postgres_url) as second,
    ):
        until_ready(first, second)
        with (
            sending(lambda: first.port, connections=3) as to_first,
            sending(lambda: second.port, connections=3, first=10_000) as to_second,
        ):
            for one, sent in ((first, to_second), (second, to_first)):
                _goes_on(to_first, to_second)
                one.send(signal.SIGSTOP)
                _goes_on(sent)
                one.send(signal.SIGCONT)
        for each in (to_first, to_second):
            check_log(database, each)
        check_tables(database)
        until_ready(first, second)


def _goes_on(*all_sent: Sent) -> None:
    """Wait until more was acknowledged to each."""
    wanted = [len(each.acknowledged) + 50 for each in all_sent]
    within(
        LONG,
        lambda: all(
            len(each.acknowledged) > so_many for each, so_many in zip(all_sent, wanted, strict=True)
        ),
    )


#: Locks the head as every append does, and stops.
_STOPS = """
import os, signal, sys
from projector.store import log_head
from projector.runner.follower import JOB
from projector.store import lease
from projector.store.database import Database
database = Database(sys.argv[1], idle_seconds_max=4.0)
with database.writing() as connection:
    log_head.lock(connection)
    print("locked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_one_that_is_stopped_amid_an_append_is_not_waited_for_without_end(
    migrated_postgres_url: str,
) -> None:
    with (
        closing(Database(migrated_postgres_url)) as database,
        serving(migrated_postgres_url) as server,
    ):
        assert ask(server.port, webhook(event(1))).status == 200
        until_ready(server)
        with subprocess.Popen(
            [sys.executable, "-c", _STOPS, migrated_postgres_url],
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            try:
                assert other.stdout is not None
                assert other.stdout.readline() == "locked\n"
                refused = ask(server.port, webhook(event(2)))
                assert problem(refused) == (503, "database_busy")
                assert refused.headers["retry-after"] == "1"
                # Questions need no lock.
                assert server.get("/status").json["head"] == 1
                within(LONG, lambda: ask(server.port, webhook(event(2))).status == 200)
            finally:
                other.kill()
        assert [each.event_id for each in read_log(database)] == ["e1", "e2"]
        assert server.is_ready()


def test_a_server_whose_projector_lives_and_is_far_behind_is_not_ready(
    migrated_postgres_url: str,
) -> None:
    with (
        closing(Database(migrated_postgres_url)) as database,
        serving(migrated_postgres_url, "--no-follower", "--lag-max", "3") as server,
    ):
        with database.writing() as connection:
            lease.take(connection, lease.read(connection, JOB), "alive")
        for number in range(4):
            assert ask(server.port, webhook(event(number))).status == 200
        within(LONG, lambda: _beats(database, server) == "The tables are 4 events behind.")
        assert server.readiness()["projector"] is True


def _beats(database: Database, server: Serving) -> str:
    """What a server gives as its reason after a sign of life."""
    with database.writing() as connection:
        lease.heartbeat(connection, JOB, "alive")
    return str(server.readiness()["reason"])
