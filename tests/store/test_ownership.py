"""Tables of other programs are recognised, left as they are, and named in the error."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from projector import open_projector
from projector.errors import (
    FileForeign,
    LogTablesMissing,
    NotMigrated,
    ProjectorError,
    SchemaAmbiguous,
    SchemaUnusable,
    SchemaUnversioned,
    TablesTaken,
)
from projector.store import schema
from projector.store.database import Database
from projector.store.tables import SCHEMA_REVISION, metadata
from tests.support.command import environment
from tests.support.items import envelope, put, read_log

_ROOT = Path(__file__).parents[2]

_OPENED: list[Callable[[str], object]] = [
    open_projector,
    lambda url: open_projector(url, create=True),
    lambda url: schema.migrate(Database(url)),
]

#: What another application may have, and what an error says of it.
_FOREIGN = {
    "a customer": (["CREATE TABLE customer (id INTEGER)"], "customer"),
    "an event with a position": (
        ["CREATE TABLE event (position INTEGER)", "CREATE TABLE stream (a INTEGER)"],
        "event, stream",
    ),
    "a view": (["CREATE VIEW token AS SELECT 1 AS one"], "token"),
    "a version table by our name": (
        ["CREATE TABLE projector_schema (version TEXT)"],
        "projector_schema",
    ),
    "a revision and a table": (
        [
            "CREATE TABLE alembic_version (version_num TEXT)",
            f"INSERT INTO alembic_version VALUES ('{SCHEMA_REVISION}')",
            "CREATE TABLE loyalty_tier (id INTEGER)",
        ],
        "loyalty_tier",
    ),
}

#: What another application may have that is in nobody's way.
_HARMLESS = {
    "a foreign revision": ["INSERT INTO alembic_version VALUES ('ae1027a6acf')"],
    "two revisions": ["INSERT INTO alembic_version VALUES ('a'), ('b')"],
    "a revision like ours": [f"INSERT INTO alembic_version VALUES ('{SCHEMA_REVISION}')"],
    "no revision": [],
}


def _run(url: str, statements: list[str]) -> None:
    """Run statements as another application does."""
    with closing(Database(url)) as database, database.creating(), database.writing() as connection:
        for each in statements:
            connection.execute(text(each))


def _content(url: str) -> list[str]:
    """All tables with their columns, and the revisions of the other application."""
    is_sqlite = url.startswith("sqlite")
    columns = (
        "SELECT type || name || coalesce(sql, '') FROM sqlite_master"
        if is_sqlite
        else "SELECT table_schema || table_name || column_name FROM information_schema.columns"
        " WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    with closing(Database(url)) as database, database.reading() as connection:
        return sorted(connection.execute(text(columns)).scalars())


@pytest.mark.parametrize("case", _FOREIGN)
def test_tables_of_another_program_are_named_and_left_alone(database_url: str, case: str) -> None:
    statements, named = _FOREIGN[case]
    _run(database_url, statements)
    before = _content(database_url)
    for opened in _OPENED[1:]:
        with pytest.raises((TablesTaken, SchemaUnversioned)) as caught:
            opened(database_url)
        assert named in str(caught.value)
        assert caught.value.exit_code == 4
        assert "search_path%3D" in caught.value.hint
    assert _content(database_url) == before


@pytest.mark.parametrize("case", _HARMLESS)
def test_another_program_may_use_the_same_schema_of_postgres(postgres_url: str, case: str) -> None:
    theirs = ["CREATE TABLE alembic_version (version_num TEXT)", "CREATE TABLE orders (id INTEGER)"]
    _run(postgres_url, [*theirs, *_HARMLESS[case]])
    with pytest.raises(NotMigrated, match="revision none"):
        open_projector(postgres_url)
    with closing(Database(postgres_url)) as database:
        schema.migrate(database)
        schema.check(database)
        put(database, envelope("a"))
        with database.reading() as connection:
            found = connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one()
    assert found == {"two revisions": 2, "no revision": 0}.get(case, 1)


@pytest.mark.parametrize("case", _HARMLESS)
def test_a_sqlite_file_of_another_program_stays_as_it_is(
    sqlite_url: str, tmp_path: Path, case: str
) -> None:
    """To the byte: not even its journal is changed."""
    with closing(sqlite3.connect(tmp_path / "projector.db")) as connection, connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("CREATE TABLE orders (id INTEGER)")
        for each in _HARMLESS[case]:
            connection.execute(each)
    before = (tmp_path / "projector.db").read_bytes()
    for opened in _OPENED:
        with pytest.raises(FileForeign, match="orders"):
            opened(sqlite_url)
    assert (tmp_path / "projector.db").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["projector.db"]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TYPE customer AS ENUM ('good', 'bad')",
        "CREATE FUNCTION event_refuse_rewrite() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SEQUENCE stream",
        "CREATE TABLE mine (event_pkey INTEGER CONSTRAINT event_pkey PRIMARY KEY)",
    ],
)
def test_other_objects_by_a_name_of_ours_are_named_too(postgres_url: str, statement: str) -> None:
    _run(postgres_url, [statement])
    before = _content(postgres_url)
    with pytest.raises(TablesTaken), closing(Database(postgres_url)) as database:
        schema.migrate(database)
    assert _content(postgres_url) == before


@pytest.mark.parametrize("path", ["", "nowhere", "nowhere,nor_here"])
def test_a_search_path_without_a_schema_is_reported(postgres_url: str, path: str) -> None:
    url = f"{postgres_url}?options=-csearch_path%3D{path}"
    for opened in _OPENED:
        with pytest.raises(SchemaUnusable) as caught:
            opened(url)
        assert path in str(caught.value)
        assert caught.value.exit_code == 4


def test_a_schema_of_its_own_is_the_way_out(postgres_url: str) -> None:
    _run(postgres_url, ["CREATE TABLE customer (id INTEGER)", "CREATE SCHEMA mine"])
    for path in ("mine", "mine,public"):
        url = f"{postgres_url}?options=-csearch_path%3D{path}"
        with closing(Database(url)) as database:
            schema.migrate(database)
            schema.check(database)
            put(database, envelope(path))
    with closing(Database(url)) as database:
        assert len(read_log(database)) == 2


def test_a_foreign_log_before_ours_in_the_search_path_is_not_taken_for_ours(
    migrated_postgres_url: str,
) -> None:
    _run(migrated_postgres_url, ["CREATE SCHEMA mine", "CREATE TABLE mine.event (id INTEGER)"])
    url = f"{migrated_postgres_url}?options=-csearch_path%3Dmine,public"
    for opened in _OPENED:
        with pytest.raises(LogTablesMissing, match="event"):
            opened(url)


def test_a_log_whose_table_is_missing_is_reported(migrated_url: str) -> None:
    _run(migrated_url, ["DROP TABLE stream"])
    for opened in _OPENED:
        with pytest.raises(LogTablesMissing, match="stream"):
            opened(migrated_url)


def test_a_database_of_an_unreleased_version_is_reported(migrated_url: str) -> None:
    """It had the revision in alembic_version."""
    _run(migrated_url, ["ALTER TABLE projector_schema RENAME TO alembic_version"])
    for opened in _OPENED:
        with pytest.raises(SchemaUnversioned, match="projector_schema"):
            opened(migrated_url)


def test_several_revisions_after_a_restore_are_reported(migrated_url: str) -> None:
    _run(migrated_url, ["INSERT INTO projector_schema VALUES ('0003')"])
    for opened in _OPENED:
        with pytest.raises(SchemaAmbiguous, match=f"0003, {SCHEMA_REVISION}"):
            opened(migrated_url)


def test_tables_without_a_revision_are_not_created_again(migrated_url: str) -> None:
    _run(migrated_url, ["DELETE FROM projector_schema"])
    before = _content(migrated_url)
    for opened in _OPENED[1:]:
        with pytest.raises(ProjectorError) as caught:
            opened(migrated_url)
        assert caught.value.exit_code == 4
    assert _content(migrated_url) == before


def test_several_processes_migrate_at_once(database_url: str) -> None:
    script = (
        "import sys; from projector.store import schema; from projector.store.database import "
        "Database; sys.stdin.read(1); schema.migrate(Database(sys.argv[1]))"
    )
    command = [sys.executable, "-c", script, database_url]
    migrating = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(4)]
    for each in migrating:
        assert each.stdin is not None
        each.stdin.close()
    assert [each.wait(60) for each in migrating] == [0] * 4
    with closing(Database(database_url)) as database:
        schema.check(database)


@pytest.mark.parametrize("command", ["upgrade head", "current", "check", "downgrade 0003"])
def test_the_developers_command_still_works(migrated_url: str, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *command.split()],
        cwd=_ROOT,
        env=environment(PROJECTOR_DATABASE_URL=migrated_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "alembic_version" not in _content(migrated_url)


def test_the_developers_command_creates_a_database(database_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=_ROOT,
        env=environment(PROJECTOR_DATABASE_URL=database_url),
        check=False,
    )
    assert done.returncode == 0
    with closing(Database(database_url)) as database:
        schema.check(database)
        assert set(metadata.tables)
