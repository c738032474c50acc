"""The schema: whether a database has it, and how it gets it."""

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

#: Any number that no other program uses as an advisory lock on the same database.
_MIGRATION_LOCK = 7_270_853_174
_alembic_version = table("alembic_version", column("version_num"))


@frozen(kw_only=True)
class Migration:
    """What `migrate` did: the revisions before and after, None for an empty database."""

    before: str | None
    after: str | None


def revision(connection: Connection) -> str | None:
    """The revision that a database is at; None for one without the schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(select(_alembic_version.c.version_num)).scalar_one_or_none()


def check(database: Database) -> None:
    """Raise NotMigrated where the database is not at the program's revision.

    A database that is one file is made and brought up to date on the way.
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
    """Raise NotMigrated where the database is not at the program's revision."""
    with database.reading() as connection:
        found = revision(connection)
    if found != SCHEMA_REVISION:
        raise NotMigrated(url=database, found=found or "none", needed=SCHEMA_REVISION)


def migrate(database: Database) -> Migration:
    """Bring the schema to the newest revision, in one transaction."""
    # Alembic takes longer to import than most commands take to run.
    from alembic import command
    from alembic.util import CommandError

    with database.writing() as connection:
        if not database.is_sqlite:
            # Two processes may migrate at once; SQLite's write lock is held already.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        before = revision(connection)
        try:
            command.upgrade(alembic_config(connection), "head")
        except CommandError as error:
            raise SchemaUnknown(url=database, found=before) from error
        projection_tables.ensure(connection, discover())
        return Migration(before=before, after=revision(connection))


def drop_projection(database: Database, name: str) -> None:
    """Drop the table of a projection that is no longer installed, and all that belongs to it.

    Raises ProjectionInstalled, or ProjectionUnknown.
    """
    with database.writing() as connection:
        projection_tables.drop(connection, name)


def create_missing_tables(database: Database) -> None:
    """Create the tables that projections of other packages lack."""
    with database.reading() as connection:
        missing = projection_tables.missing(connection, discover())
    if missing:
        with database.writing() as connection:
            projection_tables.ensure(connection, missing)


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for running its commands over a connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_migrations()))
    config.attributes["connection"] = connection
    return config


def migrated_metadata() -> list[MetaData]:
    """The tables that the migrations make: all but those of other packages' projections."""
    return [metadata, *(table_of(each).metadata for each in own())]


def database_of_the_shell() -> Database:
    """The database that `alembic` works on when a developer runs it by hand."""
    return Database(os.environ.get("PROJECTOR_DATABASE_URL", "sqlite:///projector.db"))


def _migrations() -> Path:
    """Beside the package in a checkout, inside of it once installed."""
    package = Path(__file__).parent.parent
    installed = package / "migrations"
    return installed if installed.is_dir() else package.parent / "migrations"
