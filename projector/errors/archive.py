"""Errors of archives: reaching one, what is wrong with one, which log it belongs to."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class BadArchiveUrl(ProjectorError):
    """Invalid archive URL {url!r}: {reason}"""

    exit_code = 2
    hint = (
        "Give a folder, or a URL such as s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or "
        "az://CONTAINER/PREFIX; credentials belong into environment variables."
    )


class ArchiveNotGiven(ProjectorError):
    """No archive is given."""

    exit_code = 2
    hint = "Give its folder or URL, or set PROJECTOR_ARCHIVE_URL."


class ArchiveUnreachable(ProjectorError):
    """The archive {url} cannot be used: {reason}"""

    exit_code = 4
    hint = (
        "Check its URL, the permissions, and the variables with the object store's credentials: "
        "docs/archive.md lists them. What is in the archive stays as it is."
    )


class NotArchived(ProjectorError):
    """There is no archive at {url}: it has no manifest."""

    exit_code = 2
    hint = "Check the URL; `projector archive write` begins an archive."


class ArchiveBroken(ProjectorError):
    """The archive {url} is broken: {name}: {reason}"""

    exit_code = 1
    hint = "Run `projector archive check`; restore the file from a copy of the archive."


class ArchiveSchemaUnknown(ProjectorError):
    """The archive {url} has the schema {found!r} in {name}, which is unknown to this program."""

    exit_code = 4
    hint = "A newer version of the program has written it: upgrade the program."


class ArchiveUnencrypted(ProjectorError):
    """The archive {url} is not encrypted, and stays so."""

    exit_code = 2
    hint = "Begin another archive with --encrypt, and remove this one when that one is complete."


class ArchiveKeysMissing(ProjectorError):
    """The archive {url} is encrypted, and {place} has no keys."""

    exit_code = 2
    hint = (
        "Restore a backup of the database; or give `projector archive restore --keys` a file that "
        "`projector archive keys` wrote."
    )


class ArchiveKeyMissing(ProjectorError):
    """The key of position {position} of the archive {url} is missing; its event is not erased."""

    exit_code = 1
    hint = (
        "The keys are others than those that the archive was written with, or a part of them. "
        "Restore them from a backup of the database, or from a file of `projector archive keys`."
    )


class NoArchiveKeys(ProjectorError):
    """The database {url} has no keys of archives."""

    exit_code = 3
    hint = "`projector archive write --encrypt` creates them with an encrypted archive."


class ArchiveKeysUnreadable(ProjectorError):
    """{path} has no keys of archives: {reason}"""

    exit_code = 2
    hint = "Give a file that `projector archive keys --out FILE` wrote, unchanged."


class ArchiveForeign(ProjectorError):
    """The archive {url} is of another log: the event at position {position} differs."""

    exit_code = 2
    hint = (
        "Check --db and the archive's URL: each log has an archive of its own. If they belong "
        "together, a row was changed: `projector archive check --log` names it."
    )


class ArchiveAhead(ProjectorError):
    """The archive {url} ends at position {last}, the log at {head}: was the database restored?"""

    exit_code = 1
    hint = (
        "Before anything is appended, run `projector archive restore`: it brings back what is "
        "missing. Otherwise positions are assigned a second time, to other events."
    )


class LogHole(ProjectorError):
    """The log of {url} has no event at position {position}."""

    exit_code = 1
    hint = "Nothing of it was archived. Run `projector verify`; restore the log from a backup."


class LogUnreadable(ProjectorError):
    """The log of {url} has an unreadable event at position {first} to {last}: {reason}"""

    exit_code = 1
    hint = "Another program has written it. Restore the log from a backup."


class EventsUnfit(ProjectorError):
    """The events from position {position} on do not fit into the log of {url}: {reason}."""

    exit_code = 1
    hint = "Nothing of them was stored. Run `projector archive check --contents --log`."


class Taken(ProjectorError):
    """{name} exists already in {url}."""

    exit_code = 4
    hint = "It stays as it is. Run the command again."
