"""SQLite's write-ahead log stays small, and grows no more than a reader makes it."""

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from projector.projections import discover
from projector.runner import wal_monitor
from projector.runner.follower import Follower
from projector.runner.wal_monitor import WalMonitor
from projector.store import sqlite
from projector.store.database import Database
from tests.support.followers import QUICK, following
from tests.support.items import envelope, put


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of the sizes, so that little must be written to reach them."""
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", sqlite.CHECKPOINT_PAGES // 8)
    monkeypatch.setattr(sqlite, "WAL_BYTES_KEPT", sqlite.WAL_BYTES_KEPT // 8)


def _fill(database: Database, name: str, *, megabytes: int) -> None:
    for number in range(megabytes):
        put(database, *(envelope(f"{name}{number}.{n}", name="x" * 10_000) for n in range(100)))


def _reader(path: Path) -> sqlite3.Connection:
    """A reader that has begun, and so needs the log from here on."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM log_head").fetchall()
    return connection


def test_the_log_is_truncated_when_a_long_reader_has_ended(sqlite_database: Database) -> None:
    with closing(_reader(sqlite_database.file.path)):
        _fill(sqlite_database, "a", megabytes=25)
        assert sqlite_database.wal_bytes() > 25_000_000
    # The first one copies the log into the database, the next one begins it anew.
    put(sqlite_database, envelope("b"))
    put(sqlite_database, envelope("c"))
    assert sqlite_database.wal_bytes() <= sqlite.WAL_BYTES_KEPT


def test_a_follower_sees_to_it_where_nothing_else_is_written(sqlite_database: Database) -> None:
    with closing(_reader(sqlite_database.file.path)):
        _fill(sqlite_database, "a", megabytes=25)
    with following(Follower(sqlite_database, discover(), intervals=QUICK)):
        deadline = time.monotonic() + 30
        while sqlite_database.wal_bytes() > sqlite.WAL_BYTES_KEPT:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_the_log_stays_small_while_much_is_written(sqlite_database: Database) -> None:
    _fill(sqlite_database, "a", megabytes=40)
    assert 0 < sqlite_database.wal_bytes() <= sqlite.WAL_BYTES_KEPT
    sqlite_database.close()
    assert sqlite_database.wal_bytes() == 0


def test_a_log_that_grows_is_reported_once_and_so_is_its_end(
    sqlite_database: Database, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="projector")
    monkeypatch.setattr(wal_monitor, "WAL_BYTES_MAX", sqlite.WAL_BYTES_KEPT)
    monitor = WalMonitor(sqlite_database)
    monitor.look()
    assert not caplog.records
    with closing(_reader(sqlite_database.file.path)):
        _fill(sqlite_database, "a", megabytes=20)
        monitor.look()
        monitor.look()
    put(sqlite_database, envelope("b"))
    put(sqlite_database, envelope("c"))
    monitor.look()
    monitor.look()
    assert [each.levelname for each in caplog.records] == ["WARNING", "INFO"]
    assert "projector.db-wal has" in caplog.text


def test_postgres_has_no_such_file(postgres_database: Database) -> None:
    assert postgres_database.wal_bytes() == 0
    WalMonitor(postgres_database).look()
