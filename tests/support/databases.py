"""Real databases for tests: opened, compared, and emptied for the next example."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, insert, select, text

from projector.projections import discover
from projector.projections.projection import Projection
from projector.store import schema
from projector.store.database import Database
from projector.store.row_tables import table_of
from projector.store.tables import checkpoint, dead_letter, event, log_head, metadata

#: The current-state table of each projection, by the projection's name.
projection_tables: dict[str, Table] = {each.name: table_of(each) for each in discover()}

#: A table's rows as text, sorted.
Contents = dict[str, list[str]]


@contextmanager
def migrated(url: str) -> Iterator[Database]:
    """A database with the schema, closed in the end."""
    database = Database(url)
    try:
        schema.migrate(database)
        yield database
    finally:
        database.close()


def copy_file(template: Path, folder: Path) -> str:
    """Copy a migrated SQLite file into a folder; return the URL of the copy."""
    return f"sqlite:///{shutil.copy(template, folder / 'projector.db')}"


@contextmanager
def copied(request: pytest.FixtureRequest, factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A copy of the migrated database, on the engine that the fixture's parameter names."""
    template = request.getfixturevalue(f"{request.param}_template")
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = copy_file(template, factory.mktemp("copied"))
        else:
            server = request.getfixturevalue("postgres_server")
            url = stack.enter_context(server.database(template))
        yield stack.enter_context(closing(Database(url)))


def url_of(database: Database) -> str:
    """The URL of a database, with its password, for opening it a second time."""
    return database.url.render_as_string(hide_password=False)


def wipe(database: Database) -> None:
    """Make a database as empty as it was when it was migrated, the guards of the log included."""
    with database.writing() as connection, unguarded(connection):
        for table in (*metadata.sorted_tables, *projection_tables.values()):
            connection.execute(table.delete())
        connection.execute(insert(log_head).values(log_head_id=1, position=0, stream_id=0))


#: The tables whose triggers refuse to rewrite them.
GUARDED = ("event", "leaf", "erasure")


@contextmanager
def unguarded(connection: Connection) -> Iterator[None]:
    if connection.dialect.name != "sqlite":
        for name in GUARDED:
            connection.execute(text(f"ALTER TABLE {name} DISABLE TRIGGER ALL"))
        yield
        for name in GUARDED:
            for rule in ("rewrite", "change"):
                trigger = f"{name}_refuse_{rule}"
                connection.execute(text(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}"))
        return
    found = text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    triggers = connection.execute(found).all()
    for name, _ in triggers:
        connection.execute(text(f"DROP TRIGGER {name}"))
    yield
    for _, definition in triggers:
        connection.exec_driver_sql(definition)


def stored(database: Database) -> Contents:
    """The current-state tables to the byte, as the database itself writes their values."""
    # The driver gives what SQLite has stored; Postgres can write a row as one text.
    what = "*" if database.is_sqlite else "whole::text"
    with database.reading() as connection:
        return {
            name: sorted(
                repr(tuple(row))
                for row in connection.exec_driver_sql(f"SELECT {what} FROM {name} AS whole")
            )
            for name in projection_tables
        }


def rows(database: Database, projections: Iterable[Projection] = ()) -> Contents:
    """The current-state tables as values, which do not depend on the database."""
    names = [projection.name for projection in projections or discover()]
    with database.reading() as connection:
        return {
            name: sorted(
                repr(tuple(row)) for row in connection.execute(select(projection_tables[name]))
            )
            for name in names
        }


def dead_letters(database: Database) -> list[tuple[str, str, str]]:
    """The dead letters by projection, project and event id."""
    statement = select(dead_letter.c.projection, event.c.project_id, event.c.event_id).where(
        dead_letter.c.position == event.c.position
    )
    with database.reading() as connection:
        return sorted((row[0], row[1], row[2]) for row in connection.execute(statement))


def positions(database: Database) -> dict[str, int]:
    """How far the projections are."""
    statement = select(checkpoint.c.projection, checkpoint.c.position)
    with database.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(statement)}
