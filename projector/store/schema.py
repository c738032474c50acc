"""Checks and migrates the schema of a database."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from sqlalchemy import Connection, MetaData, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from projector.errors import (
    CopyIncomplete,
    DatabaseEmpty,
    DatabaseMissing,
    NotMigrated,
    ProjectorError,
    SchemaAmbiguous,
    SchemaUnknown,
    TablesTaken,
)
from projector.projections import discover, own
from projector.store import dialects, ownership, projection_tables
from projector.store.database import Database
from projector.store.row_tables import table_of
from projector.store.tables import SCHEMA_REVISION, VERSION_TABLE, metadata

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "Migration",
    "check",
    "database_of_the_shell",
    "migrate",
    "migrated_metadata",
    "prepare",
    "revision",
]

#: The key of the advisory lock: any number that no other program uses on the same database.
_MIGRATION_LOCK = 7_270_853_174
_version = table(VERSION_TABLE, column("version_num"))

#: SQLSTATE codes of Postgres: duplicate_table (also an index), duplicate_function,
#: duplicate_object (a type, a trigger).
_TAKEN = frozenset({"42P07", "42723", "42710"})


@frozen(kw_only=True)
class Migration:
    """The result of `migrate`: the revisions before and after; None for an empty database."""

    before: str | None
    after: str | None


def revision(connection: Connection) -> str | None:
    """Return the schema revision of a database; None if it has no schema.

    Raises the errors of `ownership.check`, or SchemaAmbiguous.
    """
    ownership.check(connection)
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = list(connection.execute(select(_version.c.version_num)).scalars())
    if len(found) > 1:
        url = dialects.redact(connection.engine.url)
        raise SchemaAmbiguous(url=url, table=VERSION_TABLE, found=", ".join(sorted(found)))
    return found[0] if found else None


def check(database: Database) -> None:
    """Raise an error unless the database can be used as it is; changes nothing.

    Raises DatabaseMissing, DatabaseEmpty, CopyIncomplete, NotMigrated, SchemaUnknown or an error of
    `revision`.
    """
    with database.reading() as connection:
        found = require_tables(database, connection)
    if found is not None and not _is_known(found):
        raise SchemaUnknown(url=database, found=found)
    if found != SCHEMA_REVISION:
        raise NotMigrated(url=database, found=found or "none", needed=SCHEMA_REVISION)


def require_tables(database: Database, connection: Connection) -> str | None:
    """Return the revision; raise DatabaseEmpty or CopyIncomplete for a SQLite file without tables.

    None on Postgres if there are none, or on either if migrations were undone.
    """
    found = revision(connection)
    if found is None and database.is_sqlite and ownership.is_empty(connection):
        raise _no_tables(database)
    return found


def prepare(database: Database) -> None:
    """Create or migrate a SQLite database, unless it is at the program's revision; or `check` it.

    Also creates the missing tables of other packages' projections on SQLite.
    """
    if database.is_sqlite:
        try:
            check(database)
        except (DatabaseMissing, DatabaseEmpty, NotMigrated):
            migrate(database)
        else:
            create_missing_tables(database)
    else:
        check(database)


def migrate(database: Database) -> Migration:
    """Migrate the schema to the newest revision, in one transaction; creates a SQLite database.

    Also creates the missing tables of other packages' projections. Raises SchemaUnknown if the
    database is at a revision that the program does not have, TablesTaken if another program's
    tables or other objects are in the way, CopyIncomplete, or an error of `revision`.
    """
    # Imported here because importing Alembic takes longer than most commands take to run.
    from alembic import command
    from alembic.util import CommandError

    with database.creating(), database.writing() as connection:
        if not database.is_sqlite:
            # Another process may migrate at the same time; on SQLite the write lock keeps it out.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        before = revision(connection)
        if before is None and database.is_sqlite and database.file.lacked_wal:
            raise _no_tables(database)
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            raise SchemaUnknown(url=database, found=before) from error
        except DBAPIError as error:
            if not _is_taken(error.orig):
                raise
            reason = str(error.orig).partition("\n")[0]
            raise TablesTaken(url=database, tables=reason) from error
        projection_tables.ensure(connection, discover())
        return Migration(before=before, after=revision(connection))


def _no_tables(database: Database) -> ProjectorError:
    """Return the error for a SQLite database without tables."""
    path = database.file.path
    if database.file.lacked_wal:
        return CopyIncomplete(path=path, wal=database.file.wal)
    return DatabaseEmpty(path=path)


def _is_known(revision: str) -> bool:
    """Return whether this program has the migration: they are numbered from 0001 on."""
    return re.fullmatch("[0-9]{4}", revision) is not None and "0001" <= revision <= SCHEMA_REVISION


def _is_taken(error: object) -> bool:
    """Return whether a migration failed because an object of that name exists already."""
    state = getattr(error, "sqlstate", None)
    return state in _TAKEN if state else "already exists" in str(error)


def drop_projection(database: Database, name: str) -> None:
    """Drop the table, checkpoint and dead letters of a projection that is no longer installed.

    Raises ProjectionInstalled, or ProjectionUnknown.
    """
    with database.writing() as connection:
        projection_tables.drop(connection, name)


def create_missing_tables(database: Database) -> None:
    """Create the missing tables of other packages' projections; write only if there are any."""
    with database.reading() as connection:
        missing = projection_tables.missing(connection, discover())
    if missing:
        with database.writing() as connection:
            projection_tables.ensure(connection, missing)


def alembic_config(connection: Connection) -> Config:
    """Return the configuration that makes Alembic run its commands in a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_migrations()))
    config.attributes["connection"] = connection
    return config


def migrated_metadata() -> list[MetaData]:
    """Return the metadata of the tables that the migrations create.

    These are all tables except those of other packages' projections.
    """
    return [metadata, *(table_of(each).metadata for each in own())]


def database_of_the_shell() -> Database:
    """Return the database for a developer's `alembic` command: `PROJECTOR_DATABASE_URL`."""
    return Database(os.environ.get("PROJECTOR_DATABASE_URL", "sqlite:///projector.db"))


def _migrations() -> Path:
    """Return the migrations' directory: in the package if installed, beside it in a checkout."""
    package = Path(__file__).parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"
