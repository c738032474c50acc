"""The door in the triggers of the log: an erasure may make exact markers, and nothing else.

As in `test_triggers`: by the plain drivers, as anybody could come.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, LiteralString

import psycopg
import pytest

from projector.sealing.seal import seal
from projector.sealing.verify import verify_log
from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.erasures import erase, marker_sql
from tests.support.items import read_log
from tests.support.seals import commitments, fill

#: Run a statement; returns whether it was refused, with nothing changed by it.
Refused = Callable[[str], bool]

_OPEN = (
    "INSERT INTO erasure (erasure_id, project_id, erased_at, customers, events, rows, quarantined)"
    " VALUES (2, 'proj_1', '2026-11-27T00:00:00.000000Z', 0, 0, 0, 0)"
)

#: What makes the event at position 4 a marker of erasure 2; positions 2, 5 and 8 are markers of
#: erasure 1, of which position 11 tells.
_EXACT = {
    "event_id": "'erased:4'",
    "type": "'erased'",
    "stream_id": "NULL",
    "late": "false",
    "source": "'erased'",
    "occurred_at": "received_at",
    "body": "'{\"erased\":2}'",
}

#: Each column of a marker as it must not be.
_OFF = [
    ("event_id", "event_id"),
    ("event_id", "'erased:5'"),
    ("event_id", "''"),
    ("type", "type"),
    ("stream_id", "1"),
    ("late", "true"),
    ("source", "source"),
    ("source", "'projector'"),
    ("occurred_at", "'2024-01-01T00:00:00.000001Z'"),
    ("body", "body"),
    ("body", "'{\"erased\":1}'"),
    ("body", "'{\"erased\":2} '"),
    ("body", "'{}'"),
    ("body", "NULL"),
    ("project_id", "'proj_2'"),
    ("received_at", "'2024-01-01T00:00:00.000001Z'"),
    ("position", "44"),
]


def _update(where: str = "position = 4", **columns: str) -> str:
    assignments = ", ".join(f"{name} = {value}" for name, value in {**_EXACT, **columns}.items())
    return f"UPDATE event SET {assignments} WHERE {where}"


_COLUMNS = (
    "position, project_id, event_id, type, stream_id, occurred_at, received_at, late, source, body"
)
_UPSERT = (
    f"INSERT INTO event ({_COLUMNS}) SELECT {_COLUMNS} FROM event WHERE position = 4"
    " ON CONFLICT (position) DO UPDATE SET body = '{\"erased\":2}'"
).replace("position = 4 ON", "position = 4 AND true ON")

#: What is refused whether an erasure is open or not.
_NEVER = {
    "the erasure's own event": _update("position = 11", event_id="'erased:11'"),
    "a marker once more": marker_sql(5, 2),
    "many at once": _update("position IN (3, 4)"),
    "a body alone": "UPDATE event SET body = '{\"erased\":2}' WHERE position = 4",
    "delete": "DELETE FROM event WHERE position = 4",
    "delete a marker": "DELETE FROM event WHERE position = 5",
    "upsert": _UPSERT,
    **{f"{name} = {value}": _update(**{name: value}) for name, value in _OFF},
    # Position 4 is an event.
    "the salt of an event": "UPDATE leaf SET salt = NULL WHERE position = 4",
    "the salt of the erasure's event": "UPDATE leaf SET salt = NULL WHERE position = 11",
    "all salts": "UPDATE leaf SET salt = NULL",
    "another salt": "UPDATE leaf SET salt = commitment WHERE position = 5",
    "a commitment": "UPDATE leaf SET commitment = position_of WHERE position = 5",
    "a leaf": "DELETE FROM leaf WHERE position = 5",
    "a leaf's place": "UPDATE leaf SET position = 44, salt = NULL WHERE position = 5",
    "an erasure removed": "DELETE FROM erasure WHERE erasure_id = 1",
    "an erasure opened again": "UPDATE erasure SET position = NULL WHERE erasure_id = 1",
    "an erasure moved": "UPDATE erasure SET position = 4 WHERE erasure_id = 1",
    "an erasure renumbered": "UPDATE erasure SET erasure_id = 7 WHERE erasure_id = 1",
    "an erasure of another project": "UPDATE erasure SET project_id = 'x' WHERE erasure_id = 1",
    "an erasure of another time": (
        "UPDATE erasure SET erased_at = '2024-01-01T00:00:00.000000Z' WHERE erasure_id = 1"
    ),
}
_NEVER["a commitment"] = (
    "UPDATE leaf SET salt = NULL, commitment = (SELECT commitment FROM leaf WHERE position = 1)"
    " WHERE position = 5"
)

_ONLY_SQLITE = {
    "replace": f"REPLACE INTO event SELECT {_COLUMNS} FROM event WHERE position = 4",
    "insert or replace": f"INSERT OR REPLACE INTO event SELECT {_COLUMNS} FROM event",
    "update or replace": _update(body="'{}'").replace("UPDATE", "UPDATE OR REPLACE", 1),
    "update or ignore": _update(body="'{}'").replace("UPDATE", "UPDATE OR IGNORE", 1),
    **{f"late = {value}": _update(late=value) for value in ("0.5", "''", "x''", "'0x'")},
    **{f"stream_id = {value}": _update(stream_id=value) for value in ("''", "x''")},
    "a body that is bytes": _update(body="CAST('{\"erased\":2}' AS BLOB)"),
    "replace a leaf": "REPLACE INTO leaf SELECT position, NULL, commitment FROM leaf",
    "replace an erasure": "REPLACE INTO erasure SELECT * FROM erasure WHERE erasure_id = 1",
}

_ONLY_POSTGRES = {
    "truncate": "TRUNCATE event",
    "truncate leaves": "TRUNCATE leaf",
    "truncate erasures": "TRUNCATE erasure",
    "merge": (
        "MERGE INTO event USING leaf ON event.position = leaf.position AND leaf.position = 4"
        " WHEN MATCHED THEN UPDATE SET body = '{\"erased\":2}'"
    ),
    "merge that deletes": (
        "MERGE INTO event USING leaf ON event.position = leaf.position WHEN MATCHED THEN DELETE"
    ),
}


def _fill(database: Database) -> None:
    fill(database, range(10))
    seal(database)
    made = erase(database, "cust_1", rebuilds=False)
    assert (made.positions, made.position) == ([2, 5, 8], 11)
    seal(database)


@pytest.fixture(params=["OFF", "ON"])
def sqlite(request: pytest.FixtureRequest, sqlite_database: Database) -> Iterator[Refused]:
    _fill(sqlite_database)
    path = str(sqlite_database.url.database)
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute(f"PRAGMA recursive_triggers = {request.param}")
        yield _refusing(plain, sqlite3.IntegrityError)


@pytest.fixture(params=["origin", "replica", "local"])
def postgres(request: pytest.FixtureRequest, postgres_database: Database) -> Iterator[Refused]:
    _fill(postgres_database)
    url = url_of(postgres_database).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as plain:
        role: LiteralString = request.param
        plain.execute(f"SET session_replication_role = {role}")
        yield _refusing(plain, psycopg.errors.RaiseException)


def _refusing(plain: Any, refusal: type[Exception]) -> Refused:
    def refused(statement: str) -> bool:
        within = statement.startswith(("BEGIN", "ROLLBACK"))
        if not within:
            plain.execute("SAVEPOINT before")
        try:
            plain.execute(statement)
        except refusal as error:
            plain.execute("ROLLBACK TO SAVEPOINT before")
            return "append-only" in str(error)
        if not within:
            plain.execute(
                "ROLLBACK TO SAVEPOINT before" if statement != _OPEN else "RELEASE before"
            )
        return False

    return refused


def _assert_refused(refused: Refused, attacks: dict[str, str]) -> None:
    refused("BEGIN")
    lawful = {
        "a marker": _update(),
        "the salt of a marker": "UPDATE leaf SET salt = NULL WHERE position = 5",
    }
    assert [name for name, each in {**attacks, **lawful}.items() if not refused(each)] == []
    refused(_OPEN)
    assert [name for name, each in attacks.items() if not refused(each)] == []
    assert [name for name, each in lawful.items() if refused(each)] == []
    refused("ROLLBACK")


def test_sqlite_lets_only_markers_through(sqlite: Refused, sqlite_database: Database) -> None:
    before = read_log(sqlite_database), commitments(sqlite_database)
    _assert_refused(sqlite, {**_NEVER, **_ONLY_SQLITE})
    assert (read_log(sqlite_database), commitments(sqlite_database)) == before
    assert verify_log(sqlite_database).is_right


def test_postgres_lets_only_markers_through(postgres: Refused, postgres_database: Database) -> None:
    before = read_log(postgres_database), commitments(postgres_database)
    _assert_refused(postgres, {**_NEVER, **_ONLY_POSTGRES})
    assert (read_log(postgres_database), commitments(postgres_database)) == before
    assert verify_log(postgres_database).is_right
