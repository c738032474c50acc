"""The errors of the program, each with a message, a hint and an exit code.

The docstring of a class is the template of its message, which the details fill in; `hint` says what
to do next; `exit_code` is the exit code of the command line (0 done, 1 the answer is bad, 2 usage,
3 not found, 4 the database cannot be reached or is not migrated).
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class ProjectorError(Exception):
    """Something went wrong."""

    exit_code: ClassVar[int] = 1
    hint: ClassVar[str] = ""

    def __init__(self, **details: object) -> None:
        self.details = details
        # `python -OO` strips docstrings: fall back to the name of the class.
        template = inspect.cleandoc(type(self).__doc__ or type(self).__name__)
        super().__init__(template.format(**details))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the message only: details may be open connections, which no process can share."""
        return _unpickle, (type(self), str(self))


class DatabaseUnreachable(ProjectorError):
    """The database {url} cannot be used: {reason}"""

    exit_code = 4
    hint = "Check --db or PROJECTOR_DATABASE_URL, and that the server runs or the folder exists."


class DatabaseBusy(ProjectorError):
    """The database {url} is busy: {reason}"""

    exit_code = 4
    hint = "Nothing was lost. Run the command again when the other process has finished."


class DatabaseReadOnly(DatabaseUnreachable):
    """The database {url} does not take writes: {reason}"""

    hint = (
        "Queries work here. To write, give the URL of the primary server, or reset "
        "default_transaction_read_only."
    )


class EncodingUnsuitable(DatabaseUnreachable):
    """The database {url} cannot store every character: {reason}"""

    hint = "Create a database with `ENCODING 'UTF8' TEMPLATE template0`, and migrate that one."


class PoolerUnsuitable(DatabaseUnreachable):
    """The connection pooler of {url} does not support transactions: {reason}"""

    hint = "Let it pool transactions or sessions (pool_mode), or give the server's own URL."


class PoolerUndetected(DatabaseUnreachable):
    """The connection to {url} goes through a pooler that changes sessions: {reason}"""

    hint = "Nothing was lost. Add ?pooler=transaction to the URL."


class PoolerExhausted(DatabaseBusy):
    """The connection pooler of {url} has no free connection: {reason}"""

    hint = (
        "Nothing was lost. Raise the size of its pool; for a rebuild, which needs a connection for "
        "each worker and two more, PROJECTOR_DIRECT_DATABASE_URL can name the server itself."
    )


class RightsMissing(ProjectorError):
    """The database {url} denied permission: {reason}"""

    exit_code = 4
    hint = "Grant it to the role of the URL: docs/operations.md lists the rights for each task."


class SchemaUnusable(RightsMissing):
    """The role {role!r} of {url} cannot use any schema of its search_path, which is {path}."""

    hint = "Create a schema that it names, GRANT USAGE ON it to the role, or change search_path."


class RebuildRightsMissing(RightsMissing):
    """A rebuild in {url} lacks rights: {reason}."""

    hint = (
        "The tables are unchanged. Run it as the tables' owner, who needs CREATE on their schema; "
        "PROJECTOR_DIRECT_DATABASE_URL can name that role."
    )


class DirectDatabaseElsewhere(ProjectorError):
    """The direct URL {direct} leads to another database than {url}."""

    exit_code = 2
    hint = "Correct PROJECTOR_DIRECT_DATABASE_URL: the same database, without the pooler."


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


class BadDatabaseUrl(ProjectorError):
    """Invalid database URL {url!r}: {reason}"""

    exit_code = 2
    hint = "Use sqlite:///FILE or postgresql://USER@HOST/NAME."


class BadInstant(ProjectorError):
    """Invalid timestamp {text!r}: {reason}"""

    exit_code = 2
    hint = "Give an RFC 3339 timestamp with a UTC offset, such as 2024-03-01T10:00:00Z."


class BadIdentifier(ProjectorError):
    """Invalid identifier: {name} {text!r} {reason}."""

    exit_code = 2
    hint = "Give 1 to 200 characters without NUL; in the name of a token, no control character."


class BadNumber(ProjectorError):
    """{name} must be {range}, not {value}."""

    exit_code = 2
    hint = "Give a number within this range."


class NotOne(ProjectorError):
    """Give exactly one of {options}."""

    exit_code = 2
    hint = "See --help."


class BadSecrets(ProjectorError):
    """Invalid webhook secrets: {reason}."""

    exit_code = 2
    hint = (
        "Set PROJECTOR_WEBHOOK_SECRET to one secret or to PROJECT=SECRET,PROJECT=SECRET; or set "
        "PROJECTOR_WEBHOOK_SECRET_FILE to the path of a file that contains the same."
    )


class AddressUnusable(ProjectorError):
    """The server cannot listen on {host} port {port}: {reason}"""

    exit_code = 2
    hint = "Choose another address with --host and --port."


class AddressPublic(ProjectorError):
    """Without a token, the server listens on a loopback address only, and {host} is none."""

    exit_code = 2
    hint = "Create a token first: `projector token create NAME --scope read`."


class ExtraMissing(ProjectorError):
    """A required package is not installed: {reason}"""

    exit_code = 2
    hint = "Install the extra: pip install 'customer-state-projector[server]'."


class CustomerNotGiven(ProjectorError):
    """--project and --source-id need --customer: they say which customer is meant."""

    exit_code = 2
    hint = "Add --customer ID; or name projections: a rebuild of these is always of all customers."


class BadCursor(ProjectorError):
    """Invalid cursor {cursor!r} for this list."""

    exit_code = 2
    hint = "Give the `next` of the previous page, unchanged, and ask for the same list."


class GroupNotFound(ProjectorError):
    """Unknown {kind} {identifier!r}: no event ever put a customer into it."""

    exit_code = 3
    hint = "`projector segments` and `projector tiers` list the known ones."


class OutputUnwritable(ProjectorError):
    """The output cannot be written: {reason}"""

    exit_code = 4
    hint = "Check the destination, and its free space."


class BackupExists(ProjectorError):
    """{path} exists already."""

    exit_code = 2
    hint = "It stays as it is. Name a file that does not exist, such as one with today's date."


class BackupUnsupported(ProjectorError):
    """{url} is on Postgres, which has its own tools for backups."""

    exit_code = 2
    hint = "Run `pg_dump --format=custom --file=FILE`; see docs/operations.md."


class FileUnreadable(ProjectorError):
    """{path} cannot be read: {reason}"""

    exit_code = 2
    hint = "Check the path and its permissions; `-` reads standard input."


class FormatUnreadable(FileUnreadable):
    """{path} is {what}, which cannot be read."""

    hint = (
        "Nothing of it was stored. Convert it to NDJSON or JSON, plain or packed by gzip, bzip2, "
        "xz or zip."
    )


class FileCorrupt(ProjectorError):
    """{path} is corrupt or truncated: {reason}"""

    exit_code = 1
    hint = (
        "Everything before this point is safely in the log. Get the file again and ingest it: "
        "no event is appended twice."
    )


class ProjectionUnknown(ProjectorError):
    """Unknown projection {name!r}; known projections: {known}."""

    exit_code = 2
    hint = "Name one of these, or none to select all of them."


class ProjectionInstalled(ProjectorError):
    """The projection {name!r} is installed: its table is in use."""

    exit_code = 2
    hint = "Uninstall its package first; then `projector migrate --drop NAME` removes the table."


class ProjectionFailed(ProjectorError):
    """The projection {projection!r} failed: {reason}"""

    hint = "It is set aside until `projector rebuild NAME` succeeds; other projections go on."


class TableTaken(ProjectorError):
    """The table {projection!r} exists already, and was not created by the projector."""

    hint = "It stays as it is. Rename or drop it, then run `projector migrate`."


class FactClaimedTwice(ProjectorError):
    """The event type {type!r} is claimed by two packages: {one} and {other}."""

    exit_code = 2
    hint = "Uninstall one of the two packages."


class EngineUnknown(ProjectorError):
    """Unknown engine {name!r}; known engines: {known}."""

    exit_code = 2
    hint = "Name one of these with --engine."


class RebuildRunning(ProjectorError):
    """A rebuild of the tables of {url} is already running."""

    exit_code = 4
    hint = "Wait until it ends, or stop it: a rebuild that is killed leaves the tables unchanged."


class SpillUnwritable(ProjectorError):
    """The rebuild cannot write its temporary files in {path}: {reason}"""

    exit_code = 4
    hint = "The tables are unchanged. Free space there; with Postgres, TMPDIR sets the folder."


class EventsLost(ProjectorError):
    """The rebuild wrote {expected} events to temporary files, but read {found} back."""

    hint = "The tables are unchanged. Check the disk, and try again."


class RowsLost(ProjectorError):
    """The new table of {projection!r} has {found} rows, but {expected} were written."""

    hint = "The tables are unchanged. Check the disk and the database, and try again."


class RowsUnreadable(ProjectorError):
    """The table of {projection!r} has rows that cannot be read: {reason}"""

    hint = "Run `projector rebuild`, which computes all rows from the log."


class ImpactTooGreat(ProjectorError):
    """The rebuild would change {percent:.2f} % of the customers, more than {percent_max} %."""

    hint = "The tables are unchanged. See `projector rebuild --dry-run`; --max-change allows more."


class DependentsInTheWay(ProjectorError):
    """The table of {projection!r} gets a new layout, but has dependent objects: {dependents}."""

    hint = "The tables are unchanged. Drop these objects, rebuild, and create them again."


class WorkerDied(ProjectorError):
    """A worker process of the rebuild was killed."""

    exit_code = 4
    hint = "The tables are unchanged. If memory ran out, try again with fewer --workers."


class CustomerNotFound(ProjectorError):
    """Customer {identifier!r} not found{where}."""

    exit_code = 3
    hint = "Check the id; --source-id looks up the shop's own id."


class CustomerAmbiguous(ProjectorError):
    """Customer {identifier!r} is ambiguous; it may be: {candidates}."""

    exit_code = 2
    hint = "Choose one with --project, or ask by customer id."


class QuarantineEntryNotFound(ProjectorError):
    """Quarantine entry {quarantine_id} not found."""

    exit_code = 3
    hint = "`projector quarantine list` shows the ids of the waiting entries."


class DeadLetterNotFound(ProjectorError):
    """No dead letter at position {position}."""

    exit_code = 3
    hint = "`projector dead-letters list` shows the positions of the dead letters."


class ScopeUnknown(ProjectorError):
    """Unknown scope {name!r}; known scopes: {known}."""

    exit_code = 2
    hint = "Give one or more of these with --scope."


class ScopeMissing(ProjectorError):
    """A token needs at least one scope: {known}."""

    exit_code = 2
    hint = "Give one or more of these with --scope."


class TokenNotFound(ProjectorError):
    """Token {token_id!r} not found."""

    exit_code = 3
    hint = "`projector token list` shows the ids; in a token, the id is between the underscores."


class PositionUnknown(ProjectorError):
    """Position {position} is not in the log, which ends at {head}."""

    exit_code = 2
    hint = "Give a position from 0 to the log's head, which `projector status` shows."


class NothingConcerns(ProjectorError):
    """No event of customer {customer!r} concerns {what}{moment}."""

    exit_code = 3
    hint = "Check the id (not the name); `projector customer ID` shows what is known."


class StreamTooLong(ProjectorError):
    """Customer {customer!r} has more than {events_max} events, the limit for one answer."""

    hint = "Run `projector why` on the command line, which has no such limit."


class ProjectionOutdated(ProjectorError):
    """The rows of {projection!r} were written by {found}; the code is {needed}."""

    hint = "The log is complete: run `projector rebuild NAME` to compute the rows from it."


class ProjectionAhead(ProjectionOutdated):
    """The rows of {projection!r} are at position {position}, but the log ends at {head}."""

    hint = "Restore the log too, or run `projector rebuild NAME` to compute the rows from this one."


class CheckpointMoved(ProjectorError):
    """The checkpoint of {projection!r} has left position {position}: another process moved it."""

    hint = "Nothing to do: the batch is folded again from the present checkpoint."


def _unpickle(kind: type[ProjectorError], message: str) -> ProjectorError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.details = {}
    return error
