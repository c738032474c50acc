"""Writes ranges of the log to an archive: first a file, then the manifest that names it.

Any number of archivers may run at once, and any of them may be killed: a manifest that exists is
never replaced, so one of them wins each range, and the others go on behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import (
    ArchiveBroken,
    ArchiveKeyMissing,
    ArchiveKeysMissing,
    ArchiveUnencrypted,
    BadNumber,
    LogHole,
    PositionUnknown,
)
from projector.store import dialects, log
from projector.store.database import Database
from projector.store.erasure import archive_keys, records
from replay.archive import compare, manifest, range_file, read, rows
from replay.archive.encryption import KeyMissing
from replay.archive.local import temporary
from replay.archive.manifest import File
from replay.archive.read import Archive
from replay.archive.shelf import Shelf, Taken

#: The number of events of a file: it ends at a multiple of it.
RANGE_EVENTS = 250_000

#: A file must stay below 5 GB, which is the most that an object store takes in one request.
RANGE_EVENTS_MAX = 10_000_000

ZSTD_LEVEL_MAX = 19


@frozen(kw_only=True)
class WriteReport:
    """The result of writing to an archive."""

    #: The files that were written, and their events and bytes.
    files: int
    events: int
    bytes: int
    #: The last archived position, and that of the log.
    last: int
    head: int
    #: Whether the archive is encrypted.
    encrypted: bool
    #: How many events that were erased since the archive has in the clear; none if it is encrypted.
    erased: int
    seconds: float


def write(
    database: Database,
    shelf: Shelf,
    *,
    until: int | Literal["head"] | None = None,
    range_events: int = RANGE_EVENTS,
    zstd_level: int = rows.ZSTD_LEVEL,
    encrypt: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> WriteReport:
    """Archive the events that are not archived yet, in ranges that end at multiples of a number.

    Only complete ranges are written, or up to the position `until`, which makes a shorter last
    file. With `encrypt`, a new archive is encrypted; one that exists stays as it is. Locks nothing:
    events may be appended and tables rebuilt meanwhile. `on_progress` receives the number of events
    that are done, and their total. Raises BadNumber, PositionUnknown, ArchiveForeign, ArchiveAhead,
    ArchiveUnencrypted, ArchiveKeysMissing, ArchiveKeyMissing, LogHole, LogUnreadable,
    OutputUnwritable, or an error of `read.opened`.
    """
    _require_in_range("--range", range_events, RANGE_EVENTS_MAX)
    _require_in_range("--zstd", zstd_level, ZSTD_LEVEL_MAX)
    begin = time.monotonic()
    archive = read.read(shelf)
    with database.reading() as connection:
        head = log.head(connection)
        _require_keys(connection, archive, encrypt=encrypt)
        if archive.files:
            read.require_same_log(connection, archive)
    end = _end(archive.last, head, until, range_events)
    start, written = archive.last, list[File]()
    progress = partial(_report, on_progress, start, end)
    while archive.last < end:
        last = min((archive.last // range_events + 1) * range_events, end)
        archive, file = _archive_range(
            database, archive, last, encrypt=encrypt, zstd_level=zstd_level, on_progress=progress
        )
        with database.reading() as connection:
            _require_keys(connection, archive, encrypt=encrypt)
        written += [] if file is None else [file]
    return WriteReport(
        files=len(written),
        events=sum(file.events for file in written),
        bytes=sum(file.bytes for file in written),
        last=archive.last,
        head=head,
        encrypted=archive.is_encrypted,
        erased=0 if archive.is_encrypted else _count_erased(database, archive),
        seconds=round(time.monotonic() - begin, 3),
    )


def _require_keys(connection: Connection, archive: Archive, *, encrypt: bool) -> None:
    """Raise an error if an archive is not encrypted but shall be, or its keys are not there."""
    if archive.files and encrypt and not archive.is_encrypted:
        raise ArchiveUnencrypted(url=archive.shelf.url)
    if archive.is_encrypted and not archive_keys.has_any(connection):
        place = f"the database {dialects.redact(connection.engine.url)}"
        raise ArchiveKeysMissing(url=archive.shelf.url, place=place)


def _is_outdated(database: Database, file: File, *, is_encrypted: bool) -> bool:
    """Return whether there was an erasure since the rows of a file were read.

    Then the file is not published: it may have what was erased. In an encrypted one that cannot be
    read any more.
    """
    if is_encrypted:
        return False
    with database.reading() as connection:
        return records.last_erasure(connection) != file.erasure_id


def _count_erased(database: Database, archive: Archive) -> int:
    """Count the events that an archive has in the clear, and the log as markers."""
    with database.reading() as connection:
        return sum(len(compare.erased_since(connection, file, file.last)) for file in archive.files)


def _archive_range(
    database: Database,
    archive: Archive,
    last: int,
    *,
    encrypt: bool,
    zstd_level: int,
    on_progress: Callable[[int], None],
) -> tuple[Archive, File | None]:
    """Archive the events up to a position; return the archive, and the file that it has now.

    None if another archiver was faster, or something was erased meanwhile.
    """
    is_encrypted = archive.is_encrypted if archive.files else encrypt
    if is_encrypted and not archive.files:
        archive_keys.create(database)
    layout = rows.layout_of(is_encrypted=is_encrypted)
    first = archive.last + 1
    with temporary() as path:
        file = range_file.write(
            database, path, first, last, layout, zstd_level=zstd_level, on_progress=on_progress
        )
        if _is_outdated(database, file, is_encrypted=is_encrypted):
            return archive, None
        _put_file(archive.shelf, file, path)
    if _is_outdated(database, file, is_encrypted=is_encrypted):
        return archive, None
    archive, is_ours = _put_manifest(database, archive, file, is_encrypted=is_encrypted)
    return archive, file if is_ours else None


def _require_in_range(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise BadNumber(name=name, value=value, range=f"1 to {most}")


def _end(last: int, head: int, until: int | Literal["head"] | None, range_events: int) -> int:
    """Return the position at which the archive shall end; raises PositionUnknown."""
    if until is None:
        return max(head // range_events * range_events, last)
    if until == "head":
        return head
    if not 0 <= until <= head:
        raise PositionUnknown(position=until, head=head)
    return max(until, last)


def _report(on_progress: Callable[[int, int], None], start: int, end: int, position: int) -> None:
    on_progress(position - start, end - start)


def _put_file(shelf: Shelf, file: File, path: Path) -> None:
    """Store a file, unless a run that was killed has done so; raises ArchiveBroken."""
    try:
        shelf.put(file.name, path)
    except Taken:
        # The name has its hash: it is the same, unless the store has changed it.
        found = next(
            (each for each in shelf.names(manifest.EVENTS) if each.name == file.name), None
        )
        if found is None or found.size != file.bytes:
            reason = f"it should have {file.bytes} bytes"
            raise ArchiveBroken(url=shelf.url, name=file.name, reason=reason) from None


def _put_manifest(
    database: Database, archive: Archive, file: File, *, is_encrypted: bool
) -> tuple[Archive, bool]:
    """Add a file to the archive; return the archive, and whether it has this file.

    If another archiver was faster, the archive that it has made. Raises ArchiveForeign if that one
    archives another log.
    """
    shelf, made_by = (
        archive.shelf,
        f"customer-state-projector {version('customer-state-projector')}",
    )
    if archive.newest is None or archive.link is None:
        log_digest = _log_digest(database, archive, is_encrypted=is_encrypted)
        added = manifest.begin(file, log=log_digest, made_by=made_by, is_encrypted=is_encrypted)
    else:
        added = manifest.follow(archive.newest, archive.link, file, made_by=made_by)
    # It is in the archive as well if the answer to the first attempt of a put was lost.
    with suppress(Taken):
        shelf.put_bytes(added.name, manifest.encode(added))
    found = read.read(shelf)
    if found.last <= archive.last:
        reason = "it exists, but a listing does not have it"
        raise ArchiveBroken(url=shelf.url, name=added.name, reason=reason)
    # The snapshot must not be older than what another archiver has archived.
    with database.reading() as connection:
        read.require_same_log(connection, found)
    return found, file in found.files


def _log_digest(database: Database, archive: Archive, *, is_encrypted: bool) -> str:
    with database.reading() as connection:
        try:
            found = read.digest_of_row(connection, 1, is_encrypted=is_encrypted)
        except KeyMissing as error:
            raise ArchiveKeyMissing(url=archive.shelf.url, position=1) from error
    if found is None:
        raise LogHole(url=database, position=1)
    return found
