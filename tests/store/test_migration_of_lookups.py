"""Migration 0011 makes tables anew on SQLite: what is in them and on them stays, both ways."""

from typing import Any

import pytest
from alembic import command

from projector.store import schema
from projector.store.database import Database
from projector.store.tables import metadata
from tests.support.databases import stored
from tests.support.given import created, happened
from tests.support.logs import sql
from tests.support.tampering import life


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with rows in every table."""
    happened(
        database, *life("cust_1"), *life("cust_2"), created("cust_3", at="2024-03-01T10:00:00Z")
    )
    return database


def _go(database: Database, revision: str) -> None:
    go = command.downgrade if revision == "0010" else command.upgrade
    with database.writing() as connection:
        go(schema.alembic_config(connection), revision)


def test_rows_are_the_same_to_the_byte_down_and_up(filled: Database) -> None:
    before = stored(filled)
    _go(filled, "0010")
    assert stored(filled) == before
    _go(filled, "0011")
    assert stored(filled) == before


def test_values_that_have_not_the_type_of_their_column_stay_as_they_are(
    sqlite_database: Database,
) -> None:
    happened(sqlite_database, *life("cust_1"))
    sql(sqlite_database, "UPDATE loyalty_tier SET gaps = 0.5, points_to = '007x', joined_at = 7")
    sql(sqlite_database, "UPDATE customer SET email = x'00ff', created_at = 9e999")
    _types_stay(sqlite_database)


def _types_stay(database: Database) -> None:
    def told() -> list[Any]:
        return [
            sql(
                database,
                f"SELECT {', '.join(f'quote({each.name})' for each in table.columns)}"
                f" FROM {name} ORDER BY 1, 2, 3",
            )
            for name, table in metadata.tables.items()
            if name in there
        ]

    # Those that came later are not there at these revisions.
    _go(database, "0010")
    there = {row[0] for row in sql(database, "SELECT name FROM sqlite_master")}
    _go(database, "0011")
    before = told()
    for revision in ("0010", "0011"):
        _go(database, revision)
        assert told() == before


def test_the_users_views_go_on(filled: Database) -> None:
    sql(filled, "CREATE VIEW mine AS SELECT customer_id FROM customer WHERE name IS NOT NULL")
    for revision in ("0010", "0011"):
        _go(filled, revision)
        assert sorted(sql(filled, "SELECT * FROM mine")) == [("cust_1",), ("cust_2",)]


def test_the_users_triggers_and_indexes_go_on(sqlite_database: Database) -> None:
    mine = [
        'CREATE INDEX "my 1" ON customer (email)',
        "CREATE INDEX mine_2 ON customer (lower(email)) WHERE email IS NOT NULL",
        "CREATE TRIGGER noted AFTER UPDATE ON customer BEGIN SELECT 1; END",
    ]
    for each in mine:
        sql(sqlite_database, each)
    found = "SELECT sql FROM sqlite_schema WHERE tbl_name = 'customer' AND type <> 'table'"
    before = {written for (written,) in sql(sqlite_database, found)}
    assert before >= set(mine)
    _go(sqlite_database, "0010")
    assert {written for (written,) in sql(sqlite_database, found)} >= set(mine)
    _go(sqlite_database, "0011")
    assert {written for (written,) in sql(sqlite_database, found)} == before
    assert sql(sqlite_database, "PRAGMA legacy_alter_table") == [(0,)]
