"""A rebuild that fails leaves its workers ended, and connections as others expect them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from projector.errors import DatabaseUnreachable, RebuildRightsMissing
from projector.projections import discover
from projector.projections.rebuilding import rebuilding
from projector.store.database import Database
from projector.store.rebuild import shadow, staging, swap
from replay import fill, rebuild, verify
from replay.engines import ENGINES, EnginePiece, Job
from tests.support.databases import stored
from tests.support.engines import as_engine
from tests.support.given import append_and_project
from tests.support.logs import sql
from tests.support.tampering import life

IN_PROCESS = ENGINES["in-process"]


@pytest.fixture
def database(database: Database) -> Database:
    append_and_project(database, *life("cust_1"))
    return database


@pytest.fixture
def filled_sqlite(sqlite_database: Database) -> Database:
    append_and_project(sqlite_database, *life("cust_1"))
    return sqlite_database


def test_an_engine_is_closed_before_its_tables_and_files_are_removed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    @as_engine
    def engine(job: Job) -> Iterator[EnginePiece]:
        try:
            yield from IN_PROCESS.run(job)
        finally:
            with database.reading() as connection:
                seen.append(
                    (len(shadow.find_leftovers(connection, discover())), job.folder.exists())
                )

    def failing(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fill, "_store_piece", failing)
    with pytest.raises(KeyboardInterrupt):
        rebuild(database, discover(), engine)
    assert seen == [(5, True)]
    with database.reading() as connection:
        assert shadow.find_leftovers(connection, discover()) == []


def test_a_projector_that_computed_from_the_rows_before_does_not_write(database: Database) -> None:
    revisions = "SELECT projection, generation FROM checkpoint"
    before = dict(sql(database, revisions))
    rebuild(database, discover(), IN_PROCESS)
    assert dict(sql(database, revisions)) == {name: at + 1 for name, at in before.items()}


def _settings(database: Database) -> tuple[Any, ...]:
    """Of the connection that the next one to ask gets."""
    with database.connected() as connection:
        driver: Any = connection.connection.driver_connection
        return (
            *driver.execute("PRAGMA synchronous").fetchone(),
            *driver.execute("PRAGMA legacy_alter_table").fetchone(),
            "part" in [row[1] for row in driver.execute("PRAGMA database_list")],
        )


@pytest.mark.parametrize("content", [b"no database", b"", None], ids=["else", "empty", "folder"])
def test_rows_that_cannot_be_poured_leave_the_connection_durable(
    filled_sqlite: Database, tmp_path: Path, content: bytes | None
) -> None:
    before = _settings(filled_sqlite)
    assert before[:2] == (2, 0)
    path = tmp_path / "part"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with filled_sqlite.writing() as connection:
        for each in discover():
            shadow.create(connection, rebuilding(each))
    with pytest.raises((DatabaseUnreachable, sqlite3.Error)):
        staging.load(filled_sqlite, [rebuilding(each).shadow for each in discover()], path)
    assert _settings(filled_sqlite) == before


def test_a_swap_that_fails_leaves_the_connection_as_it_was(filled_sqlite: Database) -> None:
    before = _settings(filled_sqlite), stored(filled_sqlite)
    # There is no shadow.
    with pytest.raises(DatabaseUnreachable), filled_sqlite.writing() as connection:
        swap.swap_names(connection, rebuilding(discover()[0]))
    assert (_settings(filled_sqlite), stored(filled_sqlite)) == before


def test_a_rebuild_leaves_the_connection_as_it_was(filled_sqlite: Database) -> None:
    before = _settings(filled_sqlite)
    rebuild(filled_sqlite, discover(), IN_PROCESS)
    assert _settings(filled_sqlite) == before


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(
            "CREATE FUNCTION mine() RETURNS SETOF customer LANGUAGE sql"
            " AS 'SELECT * FROM customer'",
            id="a function of rows",
        ),
        pytest.param("CREATE TABLE mine (one customer, all_of_them customer[])", id="a column"),
        pytest.param(
            "CREATE FUNCTION mine(customer[]) RETURNS int LANGUAGE sql AS 'SELECT 1'", id="array"
        ),
        pytest.param("CREATE DOMAIN mine AS customer", id="a domain"),
    ],
)
def test_on_postgres_what_uses_the_type_of_the_rows_stays(
    migrated_postgres_url: str, made: str
) -> None:
    with closing(Database(migrated_postgres_url)) as database:
        append_and_project(database, *life("cust_1"))
        sql(database, made)
        sql(database, "UPDATE customer SET name = 'wrong'")
        done = rebuild(database, discover(), IN_PROCESS)
        assert any("mine" in what for what in done.dependents)
        assert verify(database, discover()).is_right


def test_a_user_without_the_right_to_create_tables_gets_a_clear_error(
    migrated_postgres_url: str,
) -> None:
    url = (
        make_url(migrated_postgres_url).set(username="worker").render_as_string(hide_password=False)
    )
    with closing(Database(migrated_postgres_url)) as database:
        append_and_project(database, *life("cust_1"))
        sql(database, "CREATE ROLE worker LOGIN")
        every = "SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public"
        sql(database, f"GRANT {every} TO worker")
        before = stored(database)
        worker = Database(url)
        try:
            with pytest.raises(
                RebuildRightsMissing, match=r"worker has no CREATE on schema public\.$"
            ):
                rebuild(worker, discover(), IN_PROCESS)
            assert stored(database) == before
        finally:
            worker.close()
            sql(database, "DROP OWNED BY worker")
            sql(database, "DROP ROLE worker")
