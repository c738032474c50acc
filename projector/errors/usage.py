"""Errors of what a caller supplies: options, settings, files."""

from __future__ import annotations

from projector.errors.base import ProjectorError


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


class BadConsoleSetting(ProjectorError):
    """Invalid {variable} {value!r}: {reason}."""

    exit_code = 2
    hint = "Correct the variable, or unset it."


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

    def __init__(self, *, extra: str, reason: object) -> None:
        super().__init__(reason=reason)
        self.hint = f"Install the extra: pip install 'customer-state-projector[{extra}]'."


class CustomerNotGiven(ProjectorError):
    """--project and --source-id need --customer: they say which customer is meant."""

    exit_code = 2
    hint = "Add --customer ID; or name projections: a rebuild of these is always of all customers."


class SparkNotChosen(ProjectorError):
    """--archive, --spark, --spark-conf and --partitions are for --engine spark."""

    exit_code = 2
    hint = "Add --engine spark, or leave them out."


class WorkersOfSpark(ProjectorError):
    """--workers is for the parallel engine."""

    exit_code = 2
    hint = "Spark's cluster has its own number; --partitions is the number of tasks that fold."


class BadSparkSetting(ProjectorError):
    """Invalid setting of Spark {setting!r}."""

    exit_code = 2
    hint = "Give --spark-conf NAME=VALUE, such as spark.executor.memory=4g; --spark is the master."


class BadCursor(ProjectorError):
    """Invalid cursor {cursor!r} for this list."""

    exit_code = 2
    hint = "Give the `next` of the previous page, unchanged, and ask for the same list."


class OutputUnwritable(ProjectorError):
    """The output cannot be written: {reason}"""

    exit_code = 4
    hint = "Check the destination, and its free space."


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


class ScopeUnknown(ProjectorError):
    """Unknown scope {name!r}; known scopes: {known}."""

    exit_code = 2
    hint = "Give one or more of these with --scope."


class ScopeMissing(ProjectorError):
    """A token needs at least one scope: {known}."""

    exit_code = 2
    hint = "Give one or more of these with --scope."
