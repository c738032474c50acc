"""The seal is never rewritten, whoever tries; nor are leaves sealed out of turn.

As in `test_triggers`: by the plain drivers.
"""

import sqlite3
from contextlib import closing
from typing import LiteralString

import psycopg
import pytest

from projector.sealing.seal import seal
from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.seals import commitments, fill

# Positions 1 to 3 are sealed; 4 is the next one.
_CHANGED: dict[str, LiteralString] = {
    "update all": "UPDATE leaf SET commitment = salt",
    "update to the same": "UPDATE leaf SET salt = salt",
    "destroy a salt": "UPDATE leaf SET salt = NULL WHERE position = 1",
    "move": "UPDATE leaf SET position = 4 WHERE position = 3",
    "delete all": "DELETE FROM leaf",
    "delete the last": "DELETE FROM leaf WHERE position = 3",
    "upsert": (
        "INSERT INTO leaf (position, commitment) VALUES (3, '') "
        "ON CONFLICT (position) DO UPDATE SET commitment = excluded.commitment"
    ),
}
_ONLY_SQLITE: dict[str, LiteralString] = {
    "replace": "REPLACE INTO leaf (position, commitment) VALUES (3, x'00')",
    "insert or replace": "INSERT OR REPLACE INTO leaf VALUES (1, NULL, x'00')",
    "update or replace": "UPDATE OR REPLACE leaf SET position = 1 WHERE position = 2",
    "a position that leaves a hole": "INSERT INTO leaf VALUES (5, NULL, x'00')",
    "a position before the first": "INSERT INTO leaf VALUES (0, NULL, x'00')",
    "no position": "INSERT INTO leaf (commitment) VALUES (x'00')",
}
_ONLY_POSTGRES: dict[str, LiteralString] = {
    "truncate": "TRUNCATE leaf",
    "truncate with others": "TRUNCATE stream, leaf CASCADE",
    "merge": (
        "MERGE INTO leaf USING event ON leaf.position = event.position WHEN MATCHED THEN DELETE"
    ),
}


@pytest.mark.parametrize("recursive", ["OFF", "ON"])
def test_sqlite_refuses_to_rewrite_the_seal(sqlite_database: Database, recursive: str) -> None:
    fill(sqlite_database, range(3))
    seal(sqlite_database)
    before = commitments(sqlite_database)
    with closing(sqlite3.connect(str(sqlite_database.url.database), isolation_level=None)) as plain:
        plain.execute(f"PRAGMA recursive_triggers = {recursive}")
        for name, attack in {**_CHANGED, **_ONLY_SQLITE}.items():
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                plain.execute(attack)
            assert commitments(sqlite_database) == before, name


@pytest.mark.parametrize("role", ["origin", "replica", "local"])
def test_postgres_refuses_to_rewrite_the_seal(postgres_database: Database, role: str) -> None:
    fill(postgres_database, range(3))
    seal(postgres_database)
    before = commitments(postgres_database)
    url = url_of(postgres_database).replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as plain:
        plain.execute(f"SET session_replication_role = {role}".encode())
        for name, attack in {**_CHANGED, **_ONLY_POSTGRES}.items():
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                plain.execute(attack)
            assert commitments(postgres_database) == before, name
