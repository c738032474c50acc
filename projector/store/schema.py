"""Checks and migrates the schema of a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen
from sqlalchemy import Connection, MetaData, column, inspect, select, table

from projector.errors import NotMigrated, SchemaUnknown
from projector.projections import discover, own
from projector.store import projection_tables
from projector.store.database import Database
from projector.store.tables import SCHEMA_REVISION, metadata, table_of

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "Migration",
    "check",
    "database_of_the_shell",
    "migrate",
    "migrated_metadata",
    "revision",
]

#: The key of the advisory lock: any number that no other program uses on the same database.
_MIGRATION_LOCK = 7_270_853_174
_alembic_version = table("alembic_version", column("version_num"))


@frozen(kw_only=True)
class Migration:
    """The result of `migrate`: the revisions before and after; None for an empty database."""

    before: str | None
    after: str | None


def revision(connection: Connection) -> str | None:
    """Return the schema revision of a database; None if it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(select(_alembic_version.c.version_num)).scalar_one_or_none()


def check(database: Database) -> None:
    """Raise NotMigrated unless the database is at the program's schema revision.

    A SQLite database is created or migrated instead, and the missing tables of other packages'
    projections are created in it.
    """
    try:
        check_revision(database)
    except NotMigrated:
        if not database.is_sqlite:
            raise
        migrate(database)
        return
    if database.is_sqlite:
        create_missing_tables(database)


def check_revision(database: Database) -> None:
    """Raise NotMigrated unless the database is at the program's schema revision."""
    with database.reading() as connection:
        found = revision(connection)
    if found != SCHEMA_REVISION:
        raise NotMigrated(url=database, found=found or "none", needed=SCHEMA_REVISION)


def migrate(database: Database) -> Migration:
    """Migrate the schema to the newest revision, in one transaction.

    Also creates the missing tables of other packages' projections. Raises SchemaUnknown if the
    database is at a revision that the program does not have.
    """
    # Imported here because importing Alembic takes longer than most commands take to run.
    from alembic import command
    from alembic.util import CommandError

    with database.writing() as connection:
        if not database.is_sqlite:
            # Another process may migrate at the same time; on SQLite the write lock keeps it out.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        before = revision(connection)
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            raise SchemaUnknown(url=database, found=before) from error
        projection_tables.ensure(connection, discover())
        return Migration(before=before, after=revision(connection))


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
