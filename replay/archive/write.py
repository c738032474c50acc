"""Writes ranges of the log to an archive: first a file, then the manifest that names it.

Any number of archivers may run at once, and any of them may be killed: a manifest that exists is
never replaced, so one of them wins each range, and the others go on behind it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from attrs import frozen

from projector.errors import (
    ArchiveBroken,
    BadNumber,
    LogHole,
    LogUnreadable,
    OutputUnwritable,
    PositionUnknown,
)
from projector.store import log, log_ranges
from projector.store.database import Database
from replay.archive import manifest, read, rows
from replay.archive.local import sha256_of, temporary
from replay.archive.manifest import File
from replay.archive.read import Archive
from replay.archive.shelf import Shelf, Taken
from replay.archive.tally import Tally, row_digest

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
    seconds: float


def write(
    database: Database,
    shelf: Shelf,
    *,
    until: int | Literal["head"] | None = None,
    range_events: int = RANGE_EVENTS,
    zstd_level: int = rows.ZSTD_LEVEL,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> WriteReport:
    """Archive the events that are not archived yet, in ranges that end at multiples of a number.

    Only complete ranges are written, or up to the position `until`, which makes a shorter last
    file. Locks nothing: events may be appended and tables rebuilt meanwhile. `on_progress` receives
    the number of events that are done, and their total. Raises BadNumber, PositionUnknown,
    ArchiveForeign, ArchiveAhead, LogHole, LogUnreadable, OutputUnwritable, or an error of
    `read.opened`.
    """
    _require_in_range("--range", range_events, RANGE_EVENTS_MAX)
    _require_in_range("--zstd", zstd_level, ZSTD_LEVEL_MAX)
    begin = time.monotonic()
    archive = read.read(shelf)
    with database.reading() as connection:
        head = log.head(connection)
        if archive.files:
            read.require_same_log(connection, archive)
    end = _end(archive.last, head, until, range_events)
    start, written = archive.last, list[File]()
    while archive.last < end:
        last = min((archive.last // range_events + 1) * range_events, end)
        with temporary() as path:
            progress = partial(_report, on_progress, start, end)
            file = _write_range(
                database, path, archive.last + 1, last, zstd_level=zstd_level, on_progress=progress
            )
            _put_file(shelf, file, path)
        archive, is_ours = _put_manifest(database, archive, file)
        if is_ours:
            written.append(file)
    return WriteReport(
        files=len(written),
        events=sum(file.events for file in written),
        bytes=sum(file.bytes for file in written),
        last=archive.last,
        head=head,
        seconds=round(time.monotonic() - begin, 3),
    )


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


def _write_range(
    database: Database,
    path: Path,
    first: int,
    last: int,
    *,
    zstd_level: int,
    on_progress: Callable[[int], None],
) -> File:
    """Write the events from `first` to `last` to a local file, from one snapshot of the log.

    Memory is bounded by a row group.
    """
    tally = Tally(first)
    with (
        database.reading() as connection,
        closing(log_ranges.read(connection, after=first - 1, until=last)) as blocks,
        _writing(path),
        rows.writer(path, zstd_level=zstd_level) as writer,
    ):
        for block in blocks:
            with _reading(database, block):
                tally.add(block)
                batch = rows.as_batch(block)
            if tally.hole is not None:
                raise LogHole(url=database, position=tally.hole)
            writer.add(batch)
            on_progress(tally.last)
    if tally.last != last:
        raise LogHole(url=database, position=tally.last + 1)
    return tally.as_file(size=path.stat().st_size, sha256=sha256_of(path))


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


def _put_manifest(database: Database, archive: Archive, file: File) -> tuple[Archive, bool]:
    """Add a file to the archive; return the archive, and whether it has this file.

    If another archiver was faster, the archive that it has made. Raises ArchiveForeign if that one
    archives another log.
    """
    shelf, made_by = (
        archive.shelf,
        f"customer-state-projector {version('customer-state-projector')}",
    )
    if archive.newest is None or archive.link is None:
        added = manifest.begin(file, log=_log_digest(database), made_by=made_by)
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


def _log_digest(database: Database) -> str:
    with database.reading() as connection:
        row = log_ranges.read_one(connection, 1)
    if row is None:
        raise LogHole(url=database, position=1)
    return row_digest(row)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise OutputUnwritable for errors of the local file, such as a full disk."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error}") from error


@contextmanager
def _reading(database: Database, block: log_ranges.Block) -> Iterator[None]:
    """Raise LogUnreadable for values that another program has written, of another type."""
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        first, last = block[0][0], block[0][-1]
        raise LogUnreadable(url=database, first=first, last=last, reason=error) from error
