"""A server that is told to stop answers what it has taken in, and stops."""

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from projector.store.database import Database
from tests.concurrency.rebuilds import within
from tests.serving.senders import check_log, event, sending
from tests.serving.servers import LONG, QUICK, Serving, problem, serving, start, until_ready
from tests.serving.talking import ask, connect, get, head, is_closed, read_answer, webhook
from tests.support.items import read_log

#: A body may take very long.
_PATIENT = QUICK + "bodies.BODY_SECONDS_MAX = bulk.SILENCE_SECONDS_MAX = 600.0\n"

#: So may a stop.
_ENDLESS = _PATIENT + "server_main.STOP_SECONDS_MAX = 600\n"

_SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Closes connections in the end."""
    with ExitStack() as stack:
        yield stack


def _begin(stack: ExitStack, server: Serving, path: str) -> socket.socket:
    """A request whose body does not come."""
    connection = stack.enter_context(connect(server.port))
    connection.sendall(head(path, content_length="40", expect="100-continue"))
    # The server waits for it.
    assert read_answer(connection).status == 100
    return connection


def _takes_none(server: Serving) -> bool:
    try:
        connect(server.port).close()
    except OSError:
        return True
    return False


@_SIGNALS
def test_amid_a_load_nothing_that_was_acknowledged_is_missing(
    migrated_url: str, number: signal.Signals
) -> None:
    with closing(Database(migrated_url)) as database, ExitStack() as stack:
        first = stack.enter_context(serving(migrated_url))
        port = first.port
        with sending(lambda: port) as sent:
            within(LONG, lambda: len(sent.acknowledged) > 100)
            first.send(number)
            assert first.ended() == 0
            check_log(database, sent)
            # The senders go on until each of them is answered.
            stack.enter_context(serving(migrated_url, port=port))
        check_log(database, sent)
    assert first.tracebacks() == []


def test_a_request_waiting_for_the_database_is_answered_before_the_server_stops(
    stack: ExitStack, migrated_sqlite_url: str
) -> None:
    with (
        closing(Database(migrated_sqlite_url)) as database,
        serving(migrated_sqlite_url, "--no-follower") as server,
    ):
        connections = [stack.enter_context(connect(server.port)) for _ in range(20)]
        with database.writing():
            for number, each in enumerate(connections):
                each.sendall(webhook(event(number)))
            # Long enough for them to be taken in, and shorter than a lock is waited for.
            time.sleep(0.3)
            server.send(signal.SIGTERM)
            within(LONG, lambda: _takes_none(server))
        answers = [read_answer(each) for each in connections]
        assert server.ended() == 0
        kept = {each.event_id for each in read_log(database)}
    done = {f"e{number}" for number, each in enumerate(answers) if each.status == 200}
    assert done == kept
    assert {each.status for each in answers} <= {200, 503}


@_SIGNALS
def test_slow_and_silent_clients_do_not_delay_the_stop(
    stack: ExitStack, sqlite_url: str, number: signal.Signals
) -> None:
    changes = _PATIENT + "server_main.KEEP_ALIVE_SECONDS = 600\nserver_main.STOP_SECONDS_MAX = 1\n"
    with serving(sqlite_url, changes=changes) as server:
        kept = stack.enter_context(connect(server.port))
        kept.sendall(get("/health/live"))
        assert read_answer(kept).status == 200
        slow = [_begin(stack, server, path) for path in ("/webhooks/voucherify", "/events")]
        server.send(number)
        assert is_closed(kept)
        assert server.ended() == 0
        # They know that nothing came of it.
        assert [problem(read_answer(each)) for each in slow] == [(503, "stopping")] * 2
        assert server.tracebacks() == [each for each in server.told if "timeout graceful" in each]


def test_no_new_connection_is_served_while_it_stops(stack: ExitStack, sqlite_url: str) -> None:
    with serving(sqlite_url, changes=_ENDLESS) as server:
        until_ready(server)
        slow = _begin(stack, server, "/webhooks/voucherify")
        server.send(signal.SIGTERM)
        within(LONG, lambda: _takes_none(server))
        assert server.process.poll() is None
        # Who was there before is still served.
        slow.sendall(b" " * 40)
        assert problem(read_answer(slow)) == (401, "signature_wrong")
        assert is_closed(slow)
        assert server.ended() == 0


def test_a_stopping_server_is_not_ready(stack: ExitStack, sqlite_url: str) -> None:
    changes = _ENDLESS + "server_main.KEEP_ALIVE_SECONDS = 600\n"
    with serving(sqlite_url, changes=changes) as server:
        until_ready(server)
        connection = stack.enter_context(connect(server.port))
        connection.sendall(get("/health/ready"))
        assert read_answer(connection).status == 200
        server.send(signal.SIGTERM)
        # The question may come before the signal does.
        statuses = []
        try:
            while True:
                connection.sendall(get("/health/ready"))
                answer = read_answer(connection)
                statuses.append((answer.status, answer.json["reason"]))
        except OSError:
            pass
        assert server.ended() == 0
    stopping = (503, "The server is stopping.")
    assert set(statuses) <= {(200, None), stopping}
    assert statuses == sorted(statuses)


def test_a_second_interrupt_ends_the_server_at_once(stack: ExitStack, migrated_url: str) -> None:
    with serving(migrated_url, changes=_ENDLESS) as server:
        until_ready(server)
        _begin(stack, server, "/webhooks/voucherify")
        server.send(signal.SIGINT)
        within(LONG, lambda: _takes_none(server))
        assert server.process.poll() is None
        server.send(signal.SIGINT)
        assert server.ended() == 0


@_SIGNALS
def test_a_signal_that_comes_as_soon_as_it_listens_is_not_lost(
    sqlite_url: str, number: signal.Signals
) -> None:
    # What it does first after it has said so.
    changes = QUICK + (
        "import uvicorn, time\n"
        "run = uvicorn.Server.run\n"
        "uvicorn.Server.run = lambda *args, **more: (time.sleep(0.5), run(*args, **more))\n"
    )
    with serving(sqlite_url, changes=changes) as server:
        server.send(number)
        assert server.ended() == 0


def test_the_server_stops_although_its_database_does_not_answer(migrated_sqlite_url: str) -> None:
    with closing(Database(migrated_sqlite_url)) as database, serving(migrated_sqlite_url) as server:
        until_ready(server)
        with database.writing():
            server.send(signal.SIGTERM)
            assert server.ended() == 0


def test_a_second_server_on_the_same_port_is_refused(sqlite_url: str) -> None:
    with serving(sqlite_url) as server:
        second = start(sqlite_url, "serve", "--port", str(server.port))
        _, told = second.communicate(timeout=LONG)
        assert second.returncode not in (0, 1)
        assert "Traceback" not in told
        assert ask(server.port, get("/health/live")).status == 200
