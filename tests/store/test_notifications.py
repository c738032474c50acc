"""Who waits for events hears of them at once, and misses none."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event

import psycopg
import pytest

from projector.errors import DatabaseUnreachable
from projector.store import notifications
from projector.store.append import append
from projector.store.database import Database
from projector.store.notifications import Listener, listen
from tests.support.databases import url_of
from tests.support.items import RECEIVED_AT, envelope, put

_LONG = 20.0
_AT_ONCE = 5.0


@pytest.fixture(autouse=True)
def _long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "WAIT_SECONDS_MAX", _LONG)


def _waited(listener: Listener, seconds: float = _LONG) -> float:
    begun = time.monotonic()
    listener.wait(seconds)
    return time.monotonic() - begun


def _a_moment_later(do: Callable[[], object]) -> None:
    threading.Timer(0.2, do).start()


def test_a_commit_of_another_connection_ends_a_wait(postgres_database: Database) -> None:
    url = url_of(postgres_database)
    with closing(Database(url)) as other, listen(postgres_database, Event()) as listener:
        _a_moment_later(lambda: put(other, envelope("a")))
        assert 0.1 < _waited(listener) < _AT_ONCE


def test_a_notification_before_the_wait_ends_one_wait(postgres_database: Database) -> None:
    with listen(postgres_database, Event()) as listener:
        for each in "abc":
            put(postgres_database, envelope(each))
        # Postgres may tell of them together or one by one, but of none of them twice.
        assert _waited(listener) < _AT_ONCE
        assert any(_waited(listener, 0.3) >= 0.29 for _ in "abc")


def test_a_batch_without_an_appended_event_sends_no_notification(
    postgres_database: Database,
) -> None:
    put(postgres_database, envelope("a"))
    with listen(postgres_database, Event()) as listener:
        put(postgres_database, envelope("a"))
        with pytest.raises(AttributeError):
            append(postgres_database, [envelope("b"), None], received_at=RECEIVED_AT)  # type: ignore[list-item]
        assert _waited(listener, 0.3) >= 0.29


def test_the_bell_of_the_process_ends_a_wait_on_sqlite(sqlite_database: Database) -> None:
    bell = Event()
    with listen(sqlite_database, bell) as listener:
        _a_moment_later(bell.set)
        assert 0.1 < _waited(listener) < _AT_ONCE
        bell.set()
        assert _waited(listener) < _AT_ONCE
        assert _waited(listener, 0.3) >= 0.29


def test_no_wait_is_longer_than_was_asked_for(database: Database) -> None:
    with listen(database, Event()) as listener:
        assert 0.09 < _waited(listener, 0.1) < _AT_ONCE


def test_a_listener_whose_connection_was_ended_says_so(postgres_database: Database) -> None:
    begun = time.monotonic()
    with pytest.raises(DatabaseUnreachable):
        _listen_on(postgres_database)
    assert time.monotonic() - begun < _AT_ONCE


def _listen_on(database: Database) -> None:
    with listen(database, Event()) as listener:
        _terminate(database)
        # The first one hears the server's last words.
        for _ in range(2):
            listener.wait(_LONG)


def test_a_listener_leaves_nothing_behind_in_the_pool(postgres_database: Database) -> None:
    with listen(postgres_database, Event()):
        pass
    with postgres_database.reading() as connection:
        assert connection.exec_driver_sql("SELECT pg_listening_channels()").all() == []
    # The server needs a moment to notice that a connection was closed.
    deadline = time.monotonic() + 10
    while _count_listeners(postgres_database):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _count_listeners(database: Database) -> int:
    with database.reading() as connection:
        count = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        )
        return int(count.scalar_one())


def _terminate(database: Database) -> None:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
