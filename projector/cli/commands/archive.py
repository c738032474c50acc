"""The `archive` command: copies of the log in a folder or an object store."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output, progress
from projector.cli.application import Flag, Json, Url, Whole, catch_up
from projector.config import read_settings
from projector.errors import ArchiveNotGiven, BadNumber
from replay.archive import shelf
from replay.archive.local import requiring_extra

if TYPE_CHECKING:
    from replay.archive.check import CheckReport
    from replay.archive.restore import RestoreReport

#: The most faults or names that are shown to people.
SHOWN_MAX = 50

archive = App(name="archive", help="Write, check and restore archives: copies of the log.")

Archive = Annotated[str | None, Parameter(name="ARCHIVE")]


@archive.command
def write(
    archive: Archive = None,
    /,
    *,
    url: Url,
    until: Annotated[str | None, Parameter(show_default=False)] = None,
    range: Whole | None = None,
    zstd: Whole | None = None,
    encrypt: Flag = False,
    json: Json = False,
) -> None:
    """Copy the events that are not archived yet to an archive, in complete ranges of positions.

    Other processes may use the database meanwhile, or write to the same archive.

    Parameters
    ----------
    archive
        The archive: a folder, or a URL as s3://BUCKET/PREFIX. Default: PROJECTOR_ARCHIVE_URL.
    until
        The position up to which a shorter last range is written, or head for the log's end.
    range
        The number of events in a file. Default: 250000.
    zstd
        The level of the compression, from 1 to 19. Default: 3.
    encrypt
        Encrypt a new archive, with keys that an erasure destroys. One that exists stays as it is.
    json
        Print one JSON document.
    """
    where, end = _url_of(archive), _parse_until(until)
    with open_projector(url) as projector, progress.count_bar("archiving", "events") as advance:
        done = projector.write_archive(
            where,
            until=end,
            range_events=range,
            zstd_level=zstd,
            encrypt=encrypt,
            on_progress=advance,
        )
    if json:
        output.document(done)
        return
    output.line(
        f"Archived {done.events} events in {done.files} {'encrypted ' * done.encrypted}files of "
        f"{done.bytes} bytes. "
        f"The archive ends at position {done.last}, the log at {done.head}."
    )
    if not done.files and done.last < done.head:
        output.line("The next range is not complete; `--until head` archives what there is of it.")
    if done.erased:
        output.line(_still_there(done.erased))


@archive.command
def check(
    archive: Archive = None,
    /,
    *,
    url: Url,
    contents: Flag = False,
    log: Flag = False,
    json: Json = False,
) -> int:
    """Check that an archive is whole; exit with 1 if anything is wrong.

    Reads the manifests and all files, and compares their sizes and hashes.

    Parameters
    ----------
    archive
        The archive: a folder, or a URL as s3://BUCKET/PREFIX. Default: PROJECTOR_ARCHIVE_URL.
    contents
        Decode all rows, too, and compare them with the manifests' digests and counts.
    log
        Compare the log of the database with the archive, too.
    json
        Print one JSON document.
    """
    with requiring_extra():
        from replay.archive.check import check
    stored = shelf.opened(_url_of(archive))
    with (
        open_projector(url) if log else nullcontext() as projector,
        progress.count_bar("checking", "files") as advance,
    ):
        database = None if projector is None else projector.database
        found = check(stored, database, contents=contents, on_progress=advance)
    if json:
        output.document(found)
    else:
        _show_check(found)
    return int(not found.is_right)


def _show_check(found: CheckReport) -> None:
    output.line(
        f"Checked {found.files} files of {found.bytes} bytes, with {found.events} events up to "
        f"position {found.last}: {len(found.faults)} faults."
    )
    if found.faults:
        rows = [(each.name, each.problem) for each in found.faults[:SHOWN_MAX]]
        output.table("Faults", ("manifest or file", "problem"), rows)
    if len(found.faults) > SHOWN_MAX:
        output.line(f"And {len(found.faults) - SHOWN_MAX} more; --json has them.")
    if found.unnamed:
        output.line(
            f"Files that no manifest names: {len(found.unnamed)}. They are no fault; "
            "`projector archive prune` removes them."
        )
    if found.erased and found.encrypted:
        output.line(f"Events that were erased since they were archived: {found.erased}.")
    elif found.erased:
        output.line(_still_there(found.erased))


def _still_there(erased: int) -> str:
    """Return what to do about an archive that is not encrypted, and has what was erased since."""
    return (
        f"The archive has {erased} events of erased customers, and all who have its files can read "
        "them. Write another archive from the beginning, best with --encrypt, and remove this one."
    )


@archive.command
def prune(archive: Archive = None, /, *, json: Json = False) -> None:
    """Remove what no manifest of an archive names: remains of killed archivers and rebuilds.

    What is younger than a day stays, because a running one may need it.

    Parameters
    ----------
    archive
        The archive: a folder, or a URL as s3://BUCKET/PREFIX. Default: PROJECTOR_ARCHIVE_URL.
    json
        Print one JSON document.
    """
    with requiring_extra():
        from replay.archive.check import prune
    done = prune(shelf.opened(_url_of(archive)))
    if json:
        output.document(done)
        return
    output.line(f"Removed {len(done.removed)} files of {done.bytes} bytes.")
    if done.kept:
        output.line(f"Left {len(done.kept)} files that no manifest names: younger than a day.")


@archive.command
def restore(
    archive: Archive = None,
    /,
    *,
    url: Url,
    keys: Annotated[str | None, Parameter(show_default=False)] = None,
    no_catch_up: Flag = False,
    json: Json = False,
) -> None:
    """Fill an empty log, or one that ends before its archive, from the archive.

    First compares the events that the log has with the archive: they are never changed. Then
    brings the tables up to date. Nothing else may append meanwhile.

    Parameters
    ----------
    archive
        The archive: a folder, or a URL as s3://BUCKET/PREFIX. Default: PROJECTOR_ARCHIVE_URL.
    keys
        A file of keys for an encrypted archive. Default: the keys of the database.
    no_catch_up
        Append to the log only, and leave the tables as they are.
    json
        Print one JSON document.
    """
    where, direct_url = _url_of(archive), read_settings().direct_database_url
    with open_projector(url, direct_url=direct_url) as projector:
        with progress.count_bar("restoring", "events") as advance:
            done = projector.restore_archive(where, key_file=keys, on_progress=advance)
        try:
            if not no_catch_up:
                catch_up(projector)
        finally:
            # What is in the log is there, even if a projection failed on it.
            if json:
                output.document(done)
            else:
                _show_restore(done)


def _show_restore(done: RestoreReport) -> None:
    output.line(
        f"Restored {done.events} events: the log is at position {done.head}, "
        f"the archive ends at {done.last}."
    )
    if done.erased:
        output.line(f"Of these, {done.erased} are markers of erased events.")
    if done.unerased:
        output.line(f"The log has {done.unerased} events that were erased since it was backed up.")
    if done.unerased or not done.encrypted:
        output.line(
            "Erasures that the archive does not have must be repeated: if there were any, run "
            "`projector forget --from FILE` before anything else uses the database."
        )


@archive.command
def keys(*, url: Url, out: Annotated[str, Parameter(name="--out")], json: Json = False) -> None:
    """Write the keys of encrypted archives to a new file, for the case that the database is lost.

    The file opens everything in these archives but what was erased before. Write it anew after
    each erasure, and remove the one before.

    Parameters
    ----------
    out
        The file. Only its owner can read it.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        number = projector.write_archive_keys(out)
    if json:
        output.document({"keys": number, "file": out})
        return
    output.line(f"Wrote {number} keys to {out}. Keep it where neither the archive nor backups are.")


def _url_of(archive: str | None) -> str:
    """Return the archive that is given, or that of the environment; raises ArchiveNotGiven."""
    found = archive if archive is not None else read_settings().archive_url
    if found is None:
        raise ArchiveNotGiven
    return found


def _parse_until(text: str | None) -> int | Literal["head"] | None:
    if text is None or text == "head":
        return text  # type: ignore[return-value]
    if not re.fullmatch("[0-9]{1,18}", text):
        raise BadNumber(name="--until", value=text, range="a position of the log, or head")
    return int(text)
