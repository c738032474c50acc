"""Errors of comparing the tables with Voucherify."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class BadDuration(ProjectorError):
    """Invalid duration {text!r}."""

    exit_code = 2
    hint = "Give a number with s, m or h, such as 90s, 10m or 1h."


class BadShare(ProjectorError):
    """Invalid percentage {text!r}."""

    exit_code = 2
    hint = "Give a number and a percent sign, such as 1%."


class RecordUnknown(ProjectorError):
    """Invalid --record {text!r}."""

    exit_code = 2
    hint = "Give `differences` or `all`."


class RecordNeedsRepair(ProjectorError):
    """Without --repair nothing is filed, so --record all makes no sense."""

    exit_code = 2
    hint = "Add --repair, or leave --record out."


class ObservedAtMissing(ProjectorError):
    """{path} does not say when it was written{where}."""

    exit_code = 2
    hint = (
        "Give the time of the export with --observed-at, or each line an observed_at. Compared "
        "with another time, everything that changed since would count as lost."
    )


class ObservationFileBad(ProjectorError):
    """{path}, line {line}: {reason}"""

    exit_code = 2
    hint = (
        "Nothing was changed. Give NDJSON, a customer a line with customer_id or source_id, "
        "segments and tiers; or CSV of one segment with a column id or source_id."
    )


class SegmentNotGiven(ProjectorError):
    """{path} is CSV: of which segment are these the members?"""

    exit_code = 2
    hint = "Give the segment with --segment S. Its members that the file lacks count as left."


class NotOfFiles(ProjectorError):
    """{option} cannot be used with --from FILE: the file names the customers."""

    exit_code = 2
    hint = "Leave it out."
