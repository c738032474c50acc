"""Every error that the program raises on purpose.

A class's docstring is its message, with the details filled in; `hint` says what to do next;
`exit_code` is what the command line ends with (0 done, 1 the answer is bad, 2 usage, 3 not found,
4 the database cannot be reached or is not migrated).
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
        # Under `python -OO` there are no docstrings; the class's name must do.
        template = inspect.cleandoc(type(self).__doc__ or type(self).__name__)
        super().__init__(template.format(**details))

    def __reduce__(self) -> tuple[object, ...]:
        """From one process to another only the message goes: details may be open connections."""
        return _unpickle, (type(self), str(self))


class DatabaseUnreachable(ProjectorError):
    """The database {url} cannot be used: {reason}"""

    exit_code = 4
    hint = "Check --db or PROJECTOR_DATABASE_URL, and that the server or the folder is there."


class DatabaseBusy(ProjectorError):
    """The database {url} stayed locked: {reason}"""

    exit_code = 4
    hint = "Nothing was lost. Run the command again once the other process is done."


class RightsMissing(ProjectorError):
    """The database {url} does not let this user do that: {reason}"""

    exit_code = 4
    hint = "A rebuild makes tables: it needs CREATE in their schema, and the rights of their owner."


class NotMigrated(ProjectorError):
    """The database {url} is at schema revision {found}, this program needs {needed}."""

    exit_code = 4
    hint = "Run `projector migrate` first."


class SchemaUnknown(ProjectorError):
    """The database {url} is at schema revision {found}, which this program does not know."""

    exit_code = 4
    hint = "It was made by a newer version: upgrade the program."


class BadDatabaseUrl(ProjectorError):
    """{url!r} is not a database URL that this program can use: {reason}"""

    exit_code = 2
    hint = "Use sqlite:///FILE or postgresql://USER@HOST/NAME."


class BadInstant(ProjectorError):
    """{text!r} is not a time that can be placed: {reason}"""

    exit_code = 2
    hint = "Give an RFC 3339 time with its offset, such as 2024-03-01T10:00:00Z."


class BadIdentifier(ProjectorError):
    """{name} {text!r} cannot be used: {reason}"""

    exit_code = 2
    hint = "An identifier has 1 to 200 characters and no NUL."


class BadNumber(ProjectorError):
    """{name} cannot be {value}: it goes from {range}."""

    exit_code = 2
    hint = "Give a number in that range."


class NotOne(ProjectorError):
    """Give exactly one of {options}."""

    exit_code = 2
    hint = "See --help."


class BadSecrets(ProjectorError):
    """The webhook secrets cannot be read: {reason}."""

    exit_code = 2
    hint = (
        "Set PROJECTOR_WEBHOOK_SECRET to one secret, or to PROJECT=SECRET,PROJECT=SECRET; or "
        "PROJECTOR_WEBHOOK_SECRET_FILE to the name of a file that says the same."
    )


class AddressUnusable(ProjectorError):
    """The server cannot listen on {host} port {port}: {reason}"""

    exit_code = 2
    hint = "Choose another one with --host and --port."


class AddressPublic(ProjectorError):
    """Without a token the server listens on this machine only, and {host} is not that."""

    exit_code = 2
    hint = "Make one first: `projector token create NAME --scope read`."


class ExtraMissing(ProjectorError):
    """This needs packages that are not installed: {reason}"""

    exit_code = 2
    hint = "Install the extra: pip install 'customer-state-projector[server]'."


class CustomerNotGiven(ProjectorError):
    """--project and --source-id say which customer is meant, and there is no --customer."""

    exit_code = 2
    hint = "Name projections to rebuild some of them; all customers are rebuilt together."


class BadCursor(ProjectorError):
    """{cursor!r} is no cursor of such a list."""

    exit_code = 2
    hint = "Give the `next` of the page before, and ask for the same list."


class GroupNotFound(ProjectorError):
    """No event ever put a customer into the {kind} {identifier!r}."""

    exit_code = 3
    hint = "`projector segments` and `projector tiers` list those that are known."


class OutputUnwritable(ProjectorError):
    """The output cannot be written: {reason}"""

    exit_code = 4
    hint = "Check where it goes, and whether there is room."


class FileUnreadable(ProjectorError):
    """{path} cannot be read: {reason}"""

    exit_code = 2
    hint = "Check the path and its permissions; `-` reads standard input."


class FileCorrupt(ProjectorError):
    """{path} breaks off: {reason}"""

    exit_code = 1
    hint = "What came before the break is safely in the log; get the file again and ingest it anew."


class ProjectionUnknown(ProjectorError):
    """There is no projection {name!r}; there are: {known}."""

    exit_code = 2
    hint = "Name one of those, or none for all of them."


class ProjectionInstalled(ProjectorError):
    """The projection {name!r} is installed: its table is in use."""

    exit_code = 2
    hint = "Uninstall its package first; then `projector migrate --drop NAME` removes the table."


class ProjectionFailed(ProjectorError):
    """The projection {projection!r} failed: {reason}"""

    hint = "It is set aside until `projector rebuild NAME` succeeds; other projections go on."


class FactClaimedTwice(ProjectorError):
    """The event type {type!r} is claimed by two packages: {one} and {other}."""

    exit_code = 2
    hint = "Uninstall one of the two packages."


class EngineUnknown(ProjectorError):
    """There is no engine {name!r}; there are: {known}."""

    exit_code = 2
    hint = "Name one of those with --engine."


class RebuildRunning(ProjectorError):
    """The tables of {url} are being rebuilt already."""

    exit_code = 4
    hint = "Let that rebuild end, or stop it; one that is killed leaves the tables as they are."


class SpillUnwritable(ProjectorError):
    """The rebuild cannot keep its files in {path}: {reason}"""

    exit_code = 4
    hint = "The tables are as they were. Make room there, or set TMPDIR where Postgres is used."


class EventsLost(ProjectorError):
    """The rebuild put {expected} events on disk, and found {found} there."""

    hint = "The tables are as they were. Check the disk, and try again."


class RowsLost(ProjectorError):
    """The new table of {projection!r} has {found} rows, and was given {expected}."""

    hint = "The tables are as they were. Check the disk and the database, and try again."


class RowsUnreadable(ProjectorError):
    """The table of {projection!r} has rows that cannot be read: {reason}"""

    hint = "`projector rebuild` computes all of them anew from the log."


class ImpactTooGreat(ProjectorError):
    """The rebuild would change {percent:.2f} % of the customers, more than {percent_max} %."""

    hint = "The tables are as they were. `projector rebuild --dry-run` shows what would change."


class DependentsInTheWay(ProjectorError):
    """The table of {projection!r} gets a new layout, but has dependents: {dependents}."""

    hint = "The tables are as they were. Drop these objects, rebuild, and create them again."


class WorkerDied(ProjectorError):
    """A worker process of the rebuild was killed."""

    exit_code = 4
    hint = "The tables are as they were. Look whether the machine ran out of memory; try again."


class CustomerNotFound(ProjectorError):
    """No customer {identifier!r} is known{where}."""

    exit_code = 3
    hint = "Check the id; with --source-id the shop's own id is looked up."


class CustomerAmbiguous(ProjectorError):
    """Customer {identifier!r} is known more than once: {candidates}."""

    exit_code = 2
    hint = "Choose one with --project, or ask by customer id."


class QuarantineEntryNotFound(ProjectorError):
    """There is no quarantine entry {quarantine_id}."""

    exit_code = 3
    hint = "`projector quarantine list` has the ids of those that wait."


class DeadLetterNotFound(ProjectorError):
    """The event at position {position} is no dead letter."""

    exit_code = 3
    hint = "`projector dead-letters list` has the positions of those that are."


class ScopeUnknown(ProjectorError):
    """There is no scope {name!r}; there are: {known}."""

    exit_code = 2
    hint = "Name one or more of those with --scope."


class ScopeMissing(ProjectorError):
    """A token without a scope opens nothing; there are: {known}."""

    exit_code = 2
    hint = "Name one or more of those with --scope."


class TokenNotFound(ProjectorError):
    """There is no token {token_id!r}."""

    exit_code = 3
    hint = "`projector token list` has the ids; in a token, the id stands between the underscores."


class PositionUnknown(ProjectorError):
    """Position {position} is not in the log, which ends at {head}."""

    exit_code = 2
    hint = "Positions go up to the log's head, which `projector status` tells."


class NothingConcerns(ProjectorError):
    """No event of customer {customer!r} concerns {what}{moment}."""

    exit_code = 3
    hint = "Check the id, which is not the name; `projector customer ID` shows what is known."


class StreamTooLong(ProjectorError):
    """Customer {customer!r} has more than {events_max} events, too many for one answer."""

    hint = "`projector why` on the command line has no such bound."


class ProjectionOutdated(ProjectorError):
    """The rows of {projection!r} were written by {found}; the code is {needed}."""

    hint = "The log is complete. `projector rebuild` with its name computes the rows anew from it."


class CheckpointMoved(ProjectorError):
    """Projection {projection!r} is no longer at position {position}: another projector was here."""

    hint = "The batch is folded again from where the checkpoint stands now."


def _unpickle(kind: type[ProjectorError], message: str) -> ProjectorError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.details = {}
    return error
