"""Errors of erasures: whom they would concern, and what keeps them from it."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class ReferenceNamesSomebody(ProjectorError):
    """The reference holds a text that names the customer."""

    exit_code = 2
    hint = "The record of an erasure is kept for good: give the number of a ticket, and no name."


class ConfirmationMissing(ProjectorError):
    """An erasure cannot be undone, and was not confirmed."""

    exit_code = 2
    hint = "Add --yes; or --dry-run, to see what would be erased."


class ErasureOptionUnfit(ProjectorError):
    """{option} has no meaning with {choice}."""

    exit_code = 2
    hint = "Nothing was erased. Leave it out; see --help."


class NeedleTooShort(ProjectorError):
    """A text that names the person needs at least three letters or digits."""

    exit_code = 2
    hint = "A shorter one is found in deliveries of others: give a full name, or a telephone."


class ProjectsDiffer(ProjectorError):
    """One erasure is of one project, and these are of several: {projects}."""

    exit_code = 2
    hint = "Run it once for each project, with --project."


class PositionNotErasable(ProjectorError):
    """The event at position {position} cannot be erased by its position: {reason}."""

    exit_code = 2
    hint = "Only an event without a customer can be; to erase a customer, give the customer's id."


class ProjectionAbsent(ProjectorError):
    """Projection {projection!r} is not installed, and its table may have rows of the customer."""

    exit_code = 2
    hint = "Install its package, or drop its table: `projector migrate --drop NAME`."


class ErasureNotFound(ProjectorError):
    """Erasure {erasure_id} not found."""

    exit_code = 3
    hint = "`projector forgotten` lists the erasures."


class NotSuppressed(ProjectorError):
    """Nothing keeps customer {identifier!r} out."""

    exit_code = 3
    hint = "Check the id, and --project. The shop's own ids are not kept."


class ErasedListUnreadable(ProjectorError):
    """Line {line} of {path} is not of a list of erasures: {reason}"""

    exit_code = 2
    hint = "Give the file that `projector forgotten --export` wrote."


class ErasedListForeign(ProjectorError):
    """The list of erasures has another key than this database."""

    exit_code = 2
    hint = (
        "It is of another database; or something was erased here between the restore and this: "
        "restore again, and use the list first."
    )
