"""The projector dies, or the database is gone: the server says so, hangs nowhere, and recovers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.senders import check_log, check_tables, event, sending
from tests.serving.servers import LONG, QUICK, Serving, problem, projecting, serving, until_ready
from tests.serving.talking import Answer, ask, connect, get, read_answer, webhook
from tests.support.databases import migrated
from tests.support.postgres import Server, running_server

#: It waits a few seconds, and not many, for what does not answer.
_IMPATIENT = (
    QUICK
    + """
from projector.store import postgres
health.LOOK_SECONDS_MAX = 1.0
health.PATIENCE_SECONDS_MAX = 1.5
postgres.CONNECT_SECONDS_MAX = 2
"""
)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Server]:
    """A server that nobody else needs, which keeps what it has acknowledged when it crashes."""
    with running_server(own=True, settings={"synchronous_commit": "on"}) as server:
        yield server


@pytest.fixture
def own_url(own_postgres: Server) -> Iterator[str]:
    with own_postgres.database() as url:
        yield url


def _processes(server: Server) -> list[int]:
    """The postmaster first, then whoever works for it."""
    assert server.process is not None
    found = [server.process.pid]
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:
            # It has just ended.
            continue
        if parent == server.process.pid:
            found.append(int(status.parent.name))
    return found


@contextmanager
def _stopped(server: Server) -> Iterator[None]:
    """A Postgres that takes connections, for its system does that, and says nothing more."""
    stopped: list[int] = []
    try:
        while more := [each for each in _processes(server) if each not in stopped]:
            for each in more:
                os.kill(each, signal.SIGSTOP)
            stopped += more
        yield
    finally:
        for each in reversed(stopped):
            os.kill(each, signal.SIGCONT)


def _is_refused(answer: Answer, *codes: str) -> None:
    assert problem(answer)[0] == 503
    assert problem(answer)[1] in codes
    assert int(answer.headers["retry-after"]) > 0


def _recovers(server: Serving, number: int) -> None:
    """It becomes ready, takes events in, and answers questions."""
    until_ready(server)
    within(LONG, lambda: ask(server.port, webhook(event(number))).status == 200)
    within(LONG, lambda: server.get("/status").status == 200)


def test_a_server_is_ready_as_long_as_some_process_projects(migrated_url: str) -> None:
    with serving(migrated_url, "--no-follower") as server:
        assert not server.is_ready()
        with projecting(migrated_url) as process:
            until_ready(server)
            process.send_signal(signal.SIGKILL)
            within(LONG, lambda: not server.is_ready())
            assert server.readiness()["reason"].startswith("No projector sends heartbeats")
            assert server.readiness()["database"] is True
        with projecting(migrated_url):
            until_ready(server)


def test_a_hanging_postgres_does_not_hang_requests(own_postgres: Server, own_url: str) -> None:
    with migrated(own_url), serving(own_url, changes=_IMPATIENT) as server:
        _recovers(server, 1)
        with _stopped(own_postgres):
            requests = [webhook(event(2)), get("/status"), get("/customers/cust_1")] * 10
            connections = [connect(server.port) for _ in requests]
            for each, request in zip(connections, requests, strict=True):
                each.sendall(request)
            for each in connections:
                _is_refused(read_answer(each), "database_unreachable", "overloaded")
                each.close()
            within(LONG, lambda: not server.is_ready())
            assert server.readiness()["reason"].startswith("The database ")
            # What comes later is answered, too.
            _is_refused(ask(server.port, webhook(event(3))), "database_unreachable")
            assert server.get("/health/live").status == 200
        _recovers(server, 4)
        assert [line for line in server.told if "Traceback" in line] == []


def test_a_server_stops_though_its_postgres_does_not_answer(
    own_postgres: Server, own_url: str
) -> None:
    with migrated(own_url), serving(own_url, changes=_IMPATIENT) as server:
        _recovers(server, 1)
        with _stopped(own_postgres):
            server.send(signal.SIGTERM)
            assert server.ended() == 0


def test_amid_a_crash_of_postgres_nothing_that_was_acknowledged_is_lost(
    own_postgres: Server, own_url: str
) -> None:
    with migrated(own_url) as database, serving(own_url, changes=_IMPATIENT) as server:
        with sending(lambda: server.port) as sent:
            for _ in range(2):
                known = len(sent.acknowledged)
                within(LONG, lambda known=known: len(sent.acknowledged) > known + 50)  # type: ignore[misc]
                # When one of its processes dies, Postgres ends them all and begins anew.
                os.kill(_backend(database), signal.SIGKILL)
            known = len(sent.acknowledged)
            within(LONG, lambda: len(sent.acknowledged) > known + 50)
        assert {status for status, _ in sent.refused} <= {503}
        assert all(retry_after for _, retry_after in sent.refused)
        until_ready(server)
        check_log(database, sent)
        check_tables(database)
        assert [line for line in server.told if "Traceback" in line] == []


def _backend(database: Database) -> int:
    """A process of Postgres that works for the server under test."""
    statement = (
        "SELECT min(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with database.reading() as connection:
        return int(connection.exec_driver_sql(statement).scalar_one())


_LOCKS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_locked_sqlite_file_does_not_hang_requests(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        _recovers(server, 1)
        with subprocess.Popen(
            [sys.executable, "-c", _LOCKS, str(make_url(sqlite_url).database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "locked\n"
            connections = [connect(server.port) for _ in range(10)]
            for number, each in enumerate(connections):
                each.sendall(webhook(event(10 + number)))
            for each in connections:
                _is_refused(read_answer(each), "database_busy")
                each.close()
            assert server.get("/customers/cust_1").status == 200
            within(LONG, lambda: not server.is_ready())
            other.communicate("")
        _recovers(server, 2)
        assert server.tracebacks() == []
