"""Processes that live long wait for nobody without end, and outlive the server's restarts."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, text

from projector.errors import DatabaseBusy, DatabaseUnreachable
from projector.store import dialects
from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.items import envelope, put, read_log

_LOCK = text("UPDATE log_head SET stream_id = stream_id")


def test_a_lock_is_not_waited_for_longer_than_was_said(database: Database) -> None:
    with (
        closing(Database(url_of(database), lock_seconds_max=0.1)) as patient,
        database.writing() as connection,
    ):
        connection.execute(_LOCK)
        begun = time.monotonic()
        with pytest.raises(DatabaseBusy):
            put(patient, envelope("a"))
        assert time.monotonic() - begun < 5
    assert read_log(database) == []


@pytest.mark.external
def test_a_new_sqlite_file_that_is_locked_is_not_waited_for_longer(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        closing(Database(f"sqlite:///{path}", lock_seconds_max=0.1)) as database,
    ):
        other.execute("BEGIN EXCLUSIVE")
        begun = time.monotonic()
        with pytest.raises(DatabaseBusy), database.reading():
            pass
        assert time.monotonic() - begun < 5


def test_a_process_stopped_amid_a_transaction_does_not_hold_the_head_for_ever(
    postgres_database: Database,
) -> None:
    with closing(Database(url_of(postgres_database), idle_seconds_max=0.2)) as stopped:

        def stop(connection: Connection) -> None:
            # It waits until the server has ended the other one.
            assert put(postgres_database, envelope("a"))[0].position == 1
            connection.execute(_LOCK)

        with pytest.raises(DatabaseUnreachable):
            _write(stopped, stop)
        assert put(stopped, envelope("b"))[0].position == 2


def test_a_session_ended_by_the_server_fails_at_the_commit(
    postgres_database: Database,
) -> None:
    with closing(Database(url_of(postgres_database), idle_seconds_max=0.1)) as stopped:
        with pytest.raises(DatabaseUnreachable):
            _write(stopped, lambda _connection: time.sleep(0.4))
        assert put(stopped, envelope("b"))[0].position == 1


def _write(database: Database, do: Callable[[Connection], object]) -> None:
    with database.writing() as connection:
        connection.execute(_LOCK)
        do(connection)


def test_connections_ended_by_the_server_are_replaced_without_an_error(
    postgres_database: Database,
) -> None:
    with postgres_database.connected(), postgres_database.reading():
        # Two connections are in the pool from now on.
        pass
    assert postgres_database.engine.pool.status().count("Connections in pool: 2") == 1
    url = postgres_database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    put(postgres_database, envelope("a"))
    with postgres_database.connected(), postgres_database.reading():
        assert len(read_log(postgres_database)) == 1


def test_a_connection_is_not_waited_for_longer_than_was_said(database: Database) -> None:
    with closing(Database(url_of(database), lock_seconds_max=0.1)) as patient, ExitStack() as held:
        # As many as its pool has: those that it keeps, and those beyond.
        for _ in range(5 + dialects.OVERFLOW_MAX):
            held.enter_context(patient.reading())
        with pytest.raises(DatabaseBusy, match="all connections"):
            held.enter_context(patient.reading())
