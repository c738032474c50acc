"""Errors of projections and their rebuilds."""

from __future__ import annotations

from projector.errors.base import ProjectorError


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


class EventsMissing(ProjectorError):
    """The rebuild has {found} events of {expected} that the archive has."""

    hint = "The tables are unchanged. Run `projector archive check --contents`, and try again."


class JavaMissing(ProjectorError):
    """Spark needs Java 17 or newer: {found}."""

    exit_code = 2
    hint = "Install it, or set JAVA_HOME; on Debian: apt install openjdk-17-jre-headless."


class SparkUnreachable(ProjectorError):
    """Spark at {master} cannot be used: {reason}."""

    exit_code = 4
    hint = (
        "The tables are unchanged. Check that the master and its workers run, and that they have "
        "cores and memory to spare."
    )


class WorkerUnfit(ProjectorError):
    """An executor of Spark cannot fold: {reason}."""

    exit_code = 4
    hint = (
        "The tables are unchanged. Executors need the driver's Python, and the same packages: "
        "pip install 'customer-state-projector[spark]'; PYSPARK_PYTHON is their interpreter."
    )


class SparkFailed(ProjectorError):
    """Spark failed: {reason}"""

    exit_code = 4
    hint = "The tables are unchanged. Look at the settings, and at the logs of Spark's executors."


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


class ProjectionOutdated(ProjectorError):
    """The rows of {projection!r} were written by {found}; the code is {needed}."""

    hint = "The log is complete: run `projector rebuild NAME` to compute the rows from it."


class ProjectionAhead(ProjectionOutdated):
    """The rows of {projection!r} are at position {position}, but the log ends at {head}."""

    hint = "Restore the log too, or run `projector rebuild NAME` to compute the rows from this one."


class CheckpointMoved(ProjectorError):
    """The checkpoint of {projection!r} has left position {position}: another process moved it."""

    hint = "Nothing to do: the batch is folded again from the present checkpoint."
