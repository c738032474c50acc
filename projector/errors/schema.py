"""Errors of what is in a database: files, tables, the schema, the head of the log, backups."""

from __future__ import annotations

from projector.errors.base import ProjectorError
from projector.errors.database import DatabaseUnreachable


class NotMigrated(ProjectorError):
    """The database {url} is at schema revision {found}; this program needs {needed}."""

    exit_code = 4
    hint = "Run `projector migrate` first."


class SchemaUnknown(ProjectorError):
    """The database {url} is at schema revision {found}, which is unknown to this program."""

    exit_code = 4
    hint = "A newer version of the program has migrated it: upgrade the program."


class DatabaseMissing(DatabaseUnreachable):
    """There is no database {path}."""

    exit_code = 4
    hint = "Check --db or PROJECTOR_DATABASE_URL; `projector ingest` or `migrate` creates one."


class DatabaseEmpty(ProjectorError):
    """The database {path} is empty: it has no tables."""

    exit_code = 4
    hint = "Check --db or PROJECTOR_DATABASE_URL; `projector ingest` or `migrate` creates them."


class CopyIncomplete(ProjectorError):
    """The database {path} has no tables: it was copied without its write-ahead log, {wal}."""

    exit_code = 4
    hint = (
        "Copy a database that is in use with `projector backup`. If this file is no copy, it was "
        "never used: delete it."
    )


class FileForeign(ProjectorError):
    """The file {path} belongs to another program: it has the tables {tables}."""

    exit_code = 4
    hint = "It stays as it is. Name a file of the projector's own, as --db sqlite:///projector.db."


class TablesTaken(ProjectorError):
    """The database {url} has tables of another program: {tables}."""

    exit_code = 4
    hint = (
        "They stay as they are. Use another database, or on Postgres a schema of the projector's "
        "own: run CREATE SCHEMA projector, and add ?options=-csearch_path%3Dprojector to the URL."
    )


class LogTablesMissing(ProjectorError):
    """The database {url} lacks tables of the log, or columns of them: {tables}."""

    exit_code = 4
    hint = "Check the search_path on Postgres; or restore the whole database from a backup."


class SchemaUnversioned(ProjectorError):
    """The database {url} has the projector's tables, but no {table}, which has their revision."""

    exit_code = 4
    hint = (
        "It was created by an unreleased version, or restored in part. Restore the whole database, "
        "or ingest the deliveries into a new one."
    )


class SchemaAmbiguous(ProjectorError):
    """The table {table} of {url} should have one revision, but has several: {found}."""

    exit_code = 4
    hint = "A restore has added a row: delete all but the one of the present tables."


class LogHeadBehind(DatabaseUnreachable):
    """The head of the log of {url} has {name} {head}, but the log goes to {last}."""

    exit_code = 4
    hint = (
        "A restore filled the log, but not the table log_head: "
        "run `projector migrate --repair-head`."
    )


class LogHeadAhead(ProjectorError):
    """The head of the log of {url} has {name} {head}, but the log goes only to {last}."""

    exit_code = 4
    hint = "Rows of event or stream are missing: restore the whole database from a backup."


class LogUnsound(ProjectorError):
    """The head of the log of {url} stays as it is, because the log is not sound. {problems}"""

    exit_code = 4
    hint = "Restore the tables event and stream, or the whole database, from a backup."


class BackupExists(ProjectorError):
    """{path} exists already."""

    exit_code = 2
    hint = "It stays as it is. Name a file that does not exist, such as one with today's date."


class BackupUnsupported(ProjectorError):
    """{url} is on Postgres, which has its own tools for backups."""

    exit_code = 2
    hint = "Run `pg_dump --format=custom --file=FILE`; see docs/operations.md."
