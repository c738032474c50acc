"""Errors of a purge: erased bytes that are still in the files of the database."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class PurgeIncomplete(ProjectorError):
    """What was erased is still in the files of {url}: {reason}"""

    hint = (
        "No query finds it any more. Run `projector purge` again once the cause is gone; `serve` "
        "and `run` try it again when they start."
    )


class PurgeUnconfirmed(ProjectorError):
    """Nothing was purged, because the full purge was not confirmed."""

    exit_code = 2
    hint = "Confirm it with --yes, or purge without --full."
