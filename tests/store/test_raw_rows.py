"""Stored rows and those that there should be: what the server refuses to tell is no difference."""

import pytest
from sqlalchemy.exc import DBAPIError

from projector.projections import named
from projector.store.database import Database
from projector.store.verify import raw_rows
from tests.support.databases import projection_tables
from tests.support.given import append_and_project, created

[CUSTOMER] = named(["customer"])


def test_a_table_that_is_gone_is_an_error(database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("DROP TABLE customer")
    with database.reading() as connection, pytest.raises(DBAPIError, match="customer"):
        raw_rows.matches(connection, CUSTOMER, [1], [])


def test_a_data_error_of_the_server_is_raised(postgres_database: Database) -> None:
    """The driver calls it a DataError, as it calls a value that it cannot read itself."""
    append_and_project(postgres_database, created("cust_1", at="2024-03-04T10:00:00Z"))
    columns = [column.name for column in projection_tables["customer"].columns]
    shown = ", ".join("refuse() AS name" if name == "name" else name for name in columns)
    with postgres_database.writing() as connection:
        for statement in (
            "CREATE FUNCTION refuse() RETURNS text LANGUAGE plpgsql AS $$"
            "BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22ZZZ'; END $$",
            "ALTER TABLE customer RENAME TO kept",
            f"CREATE VIEW customer AS SELECT {shown} FROM kept",
        ):
            connection.exec_driver_sql(statement)
    with postgres_database.reading() as connection, pytest.raises(DBAPIError, match="refused"):
        raw_rows.matches(connection, CUSTOMER, [1], [])
