"""Errors of queries: what is not found, or cannot be answered."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class GroupNotFound(ProjectorError):
    """Unknown {kind} {identifier!r}: no event ever put a customer into it."""

    exit_code = 3
    hint = "`projector segments` and `projector tiers` list the known ones."


class CustomerNotFound(ProjectorError):
    """Customer {identifier!r} not found{where}."""

    exit_code = 3
    hint = "Check the id; --source-id looks up the shop's own id."


class CustomerErased(CustomerNotFound):
    """This customer was erased on {day} (erasure {erasure_id})."""

    hint = "Nothing is kept of the customer; `projector forgotten ID` shows the erasure."


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


class JobNotFound(ProjectorError):
    """Job {job_id} not found."""

    exit_code = 3
    hint = "GET /jobs lists the last ones."


class JobsWaiting(ProjectorError):
    """{count} jobs are waiting already."""

    hint = "Ask again once some of them have ended; GET /jobs lists them."
