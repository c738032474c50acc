"""The log is never rewritten, whoever tries, with whatever program.

So these tests come as anybody could, by the plain drivers.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from projector.store.database import Database
from tests.support.databases import copy_file
from tests.support.items import envelope, put, read_log
from tests.support.postgres import Server

_COLUMNS = (
    "position, project_id, event_id, type, stream_id, occurred_at, received_at, late, source, body"
)
_REST = "'t', NULL, '2024-01-01T00:00:00.000000Z', '2024-01-01T00:00:00.000000Z', false, 's', 'no'"

# Positions 1 and 2 are there, with the ids a and b; 3 is the next one.
_INSERTED: dict[str, LiteralString] = {
    "same position": f"(2, 'proj_1', 'new', {_REST})",
    "same position and identity": f"(2, 'proj_1', 'b', {_REST})",
    "same identity at the next position": f"(3, 'proj_1', 'b', {_REST})",
    "the identity of one at the position of another": f"(1, 'proj_1', 'b', {_REST})",
}

_ON_CONFLICT: dict[str, LiteralString] = {
    "upsert by position": (
        f"INSERT INTO event ({_COLUMNS}) VALUES (2, 'proj_1', 'new', {_REST}) "
        "ON CONFLICT (position) DO UPDATE SET body = excluded.body"
    ),
    "upsert by identity": (
        f"INSERT INTO event ({_COLUMNS}) VALUES (3, 'proj_1', 'b', {_REST}) "
        "ON CONFLICT (project_id, event_id) DO UPDATE SET position = 3, body = excluded.body"
    ),
}

_CHANGED: dict[str, LiteralString] = {
    "update all": "UPDATE event SET body = 'no'",
    "update one": "UPDATE event SET body = 'no' WHERE position = 1",
    "update to the same": "UPDATE event SET body = body",
    "move": "UPDATE event SET position = 9 WHERE position = 2",
    "rename": "UPDATE event SET event_id = 'new' WHERE event_id = 'a'",
    "set late": "UPDATE event SET late = NOT late",
    "update with a join": (
        "UPDATE event SET body = customer_id FROM stream WHERE stream.stream_id = event.stream_id"
    ),
    "delete all": "DELETE FROM event",
    "delete the last": "DELETE FROM event WHERE position = 2",
    "delete by stream": "DELETE FROM event WHERE stream_id IN (SELECT stream_id FROM stream)",
    **_ON_CONFLICT,
}

_ONLY_SQLITE: dict[str, LiteralString] = {
    **{
        f"insert or replace: {name}": f"INSERT OR REPLACE INTO event ({_COLUMNS}) VALUES {values}"
        for name, values in _INSERTED.items()
    },
    **{
        f"replace: {name}": f"REPLACE INTO event ({_COLUMNS}) VALUES {values}"
        for name, values in _INSERTED.items()
    },
    "replace with a position of NULL and a known identity": (
        f"INSERT OR REPLACE INTO event ({_COLUMNS}) VALUES (NULL, 'proj_1', 'b', {_REST})"
    ),
    "replace with a position of NULL": (
        f"INSERT OR REPLACE INTO event ({_COLUMNS}) VALUES (NULL, 'proj_1', 'new', {_REST})"
    ),
    "replace without a position": (
        f"REPLACE INTO event ({_COLUMNS[10:]}) VALUES ('proj_1', 'b', {_REST})"
    ),
    "replace by the row's own id": (
        f"REPLACE INTO event (rowid, {_COLUMNS[10:]}) VALUES (2, 'proj_1', 'new', {_REST})"
    ),
    "replace what the statement itself inserted": (
        f"REPLACE INTO event ({_COLUMNS}) "
        f"VALUES (3, 'proj_1', 'new', {_REST}), (4, 'proj_1', 'new', {_REST})"
    ),
    "replace from the table itself": "REPLACE INTO event SELECT * FROM event",
    "update or replace the position": (
        "UPDATE OR REPLACE event SET position = 2 WHERE position = 1"
    ),
    "update or replace the identity": (
        "UPDATE OR REPLACE event SET event_id = 'b' WHERE event_id = 'a'"
    ),
    "update or ignore": "UPDATE OR IGNORE event SET body = 'no'",
    "update the row's own id": "UPDATE event SET rowid = 9 WHERE rowid = 2",
    "a position that leaves a hole": (
        f"INSERT INTO event ({_COLUMNS}) VALUES (9, 'proj_1', 'new', {_REST})"
    ),
    "a position before the first": (
        f"INSERT INTO event ({_COLUMNS}) VALUES (0, 'proj_1', 'new', {_REST})"
    ),
}

_ONLY_POSTGRES: dict[str, LiteralString] = {
    "truncate": "TRUNCATE event",
    "truncate with others": "TRUNCATE stream, event, log_head RESTART IDENTITY CASCADE",
    "delete within a query": "WITH gone AS (DELETE FROM event RETURNING 1) SELECT * FROM gone",
    "merge": (
        "MERGE INTO event USING stream ON event.stream_id = stream.stream_id "
        "WHEN MATCHED THEN UPDATE SET body = 'no'"
    ),
    "merge that deletes": (
        "MERGE INTO event USING stream ON event.stream_id = stream.stream_id "
        "WHEN MATCHED THEN DELETE"
    ),
}


_AGAINST_SQLITE: dict[str, LiteralString] = {**_CHANGED, **_ONLY_SQLITE}
_AGAINST_POSTGRES: dict[str, LiteralString] = {**_CHANGED, **_ONLY_POSTGRES}


@pytest.fixture(scope="module")
def sqlite_file(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[Database]:
    """A database with the events a and b, which nobody should be able to change."""
    url = copy_file(sqlite_template, tmp_path_factory.mktemp("guarded"))
    with closing(Database(url)) as database:
        put(database, envelope("a"), envelope("b"))
        yield database


@pytest.fixture(params=["OFF", "ON"])
def sqlite(request: pytest.FixtureRequest, sqlite_file: Database) -> Iterator[sqlite3.Connection]:
    """A plain connection; with recursive triggers SQLite works differently in a REPLACE."""
    path = sqlite_file.url.database
    assert path is not None
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA recursive_triggers = {request.param}")
        yield connection


@pytest.fixture(scope="module")
def postgres_copy(postgres_server: Server, postgres_template: str) -> Iterator[Database]:
    """A database with the events a and b, which nobody should be able to change."""
    with (
        postgres_server.database(postgres_template) as url,
        closing(Database(url)) as database,
    ):
        put(database, envelope("a"), envelope("b"))
        yield database


@pytest.fixture(params=["origin", "replica", "local"])
def postgres(
    request: pytest.FixtureRequest, postgres_copy: Database
) -> Iterator[psycopg.Connection]:
    """A plain connection; a session that plays a replica does not fire ordinary triggers."""
    url = postgres_copy.url.set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        connection.execute(f"SET session_replication_role = {request.param}")
        yield connection


@pytest.mark.parametrize("attack", _AGAINST_SQLITE.values(), ids=_AGAINST_SQLITE)
def test_sqlite_refuses_to_rewrite_the_log(
    sqlite: sqlite3.Connection, sqlite_file: Database, attack: str
) -> None:
    before = read_log(sqlite_file)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite.execute(attack)
    assert read_log(sqlite_file) == before


@pytest.mark.parametrize("attack", _AGAINST_POSTGRES.values(), ids=_AGAINST_POSTGRES)
def test_postgres_refuses_to_rewrite_the_log(
    postgres: psycopg.Connection, postgres_copy: Database, attack: LiteralString
) -> None:
    before = read_log(postgres_copy)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        postgres.execute(attack)
    assert read_log(postgres_copy) == before


def test_sqlite_refuses_within_a_transaction_and_the_rest_of_it_stands(
    sqlite: sqlite3.Connection,
) -> None:
    sqlite.execute("BEGIN")
    sqlite.execute(f"INSERT INTO event ({_COLUMNS}) VALUES (3, 'proj_1', 'c', {_REST})")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        sqlite.execute("DELETE FROM event WHERE position = 3")
    assert sqlite.execute("SELECT event_id FROM event").fetchall() == [("a",), ("b",), ("c",)]
    sqlite.execute("ROLLBACK")


@pytest.mark.parametrize("values", _INSERTED.values(), ids=_INSERTED)
def test_postgres_takes_no_position_and_no_identity_twice(
    postgres: psycopg.Connection, values: LiteralString
) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        postgres.execute(f"INSERT INTO event ({_COLUMNS}) VALUES {values}")


@pytest.mark.parametrize("values", _INSERTED.values(), ids=_INSERTED)
def test_sqlite_takes_no_position_and_no_identity_twice(
    sqlite: sqlite3.Connection, sqlite_file: Database, values: str
) -> None:
    before = read_log(sqlite_file)
    for how in ("INSERT", "INSERT OR FAIL", "INSERT OR ROLLBACK", "INSERT OR ABORT"):
        with pytest.raises(sqlite3.IntegrityError):
            sqlite.execute(f"{how} INTO event ({_COLUMNS}) VALUES {values}")
    assert read_log(sqlite_file) == before


def test_the_next_position_is_taken_from_anybody(sqlite: sqlite3.Connection) -> None:
    """The refusals above are about rewriting: the statement is not wrong in itself."""
    sqlite.execute("BEGIN")
    sqlite.execute(f"INSERT INTO event ({_COLUMNS}) VALUES (3, 'proj_1', 'c', {_REST})")
    assert sqlite.execute("SELECT count(*) FROM event").fetchone() == (3,)
    sqlite.execute("ROLLBACK")
