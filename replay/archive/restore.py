"""Fills a log that is empty, or shorter than its archive, from the archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

from attrs import frozen

from projector.envelope import RecordedEvent
from projector.errors import ArchiveBroken, ArchiveForeign
from projector.store import log, log_ranges
from projector.store.database import Database
from projector.store.log_ranges import COLUMNS, Block
from projector.store.log_restore import append_recorded
from replay.archive import read, rows
from replay.archive.check import digest_of
from replay.archive.local import downloaded
from replay.archive.manifest import File
from replay.archive.read import Archive


@frozen(kw_only=True)
class RestoreReport:
    """The result of a restore."""

    #: The events that were appended, and the position of the log before and after it.
    events: int
    before: int
    head: int
    #: The last archived position.
    last: int
    seconds: float


def restore(
    database: Database,
    archive: Archive,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RestoreReport:
    """Append what the log lacks of its archive, with positions and streams as they were.

    First compares all of the log that is archived with the archive. Appends in transactions of a
    row group; after a kill, the next run goes on. `on_progress` receives the number of events that
    are done, and their total. Raises NotArchived, ArchiveForeign if the log has other events,
    ArchiveBroken, ArchiveUnreachable, or DatabaseBusy if another process appends.
    """
    begin = time.monotonic()
    read.require_files(archive)
    with database.reading() as connection:
        before = log.head(connection)
    total = max(archive.last - before, 0)
    for file in archive.files:
        if file.last <= before:
            _require_same_digest(database, archive, file)
            continue
        with downloaded(archive.shelf, file) as path:
            if file.first <= before:
                _require_same_rows(database, archive, file, path, before)
            for events in _events(archive, file, path, after=before):
                append_recorded(database, events)
                on_progress(events[-1].position - before, total)
    return RestoreReport(
        events=total,
        before=before,
        head=before + total,
        last=archive.last,
        seconds=round(time.monotonic() - begin, 3),
    )


def _require_same_digest(database: Database, archive: Archive, file: File) -> None:
    with database.reading() as connection:
        found = digest_of(log_ranges.read(connection, after=file.first - 1, until=file.last))
    if found != file.digest:
        raise ArchiveForeign(url=archive.shelf.url, position=f"{file.first} to {file.last}")


def _require_same_rows(
    database: Database, archive: Archive, file: File, path: Path, until: int
) -> None:
    """Raise ArchiveForeign unless the log's rows up to a position are those of a file."""
    with database.reading() as connection:
        found = _rows(log_ranges.read(connection, after=file.first - 1, until=until))
        for expected, row in zip(_rows(_blocks(archive, file, path)), found, strict=False):
            if expected != row:
                raise ArchiveForeign(url=archive.shelf.url, position=expected[0])


def _rows(blocks: Iterator[Block]) -> Iterator[tuple[object, ...]]:
    return chain.from_iterable(zip(*block, strict=True) for block in blocks)


def _events(
    archive: Archive, file: File, path: Path, *, after: int
) -> Iterator[list[RecordedEvent]]:
    """Yield the events of a file after a position, a row group at a time."""
    for block in _blocks(archive, file, path):
        events = [_to_event(row) for row in zip(*block, strict=True) if row[0] > after]
        if events:
            yield events


def _blocks(archive: Archive, file: File, path: Path) -> Iterator[Block]:
    try:
        yield from rows.blocks(path)
    except ValueError as error:
        raise ArchiveBroken(url=archive.shelf.url, name=file.name, reason=error) from error


def _to_event(row: tuple[object, ...]) -> RecordedEvent:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("occurred_at", "received_at"):
        values[name] = datetime.fromisoformat(str(values[name]))
    return RecordedEvent(**values)  # type: ignore[arg-type]
