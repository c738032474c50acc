"""Fills a log that is empty, or shorter than its archive, from the archive."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from attrs import field, frozen

from projector.envelope import ERASED_SOURCE, RecordedEvent
from projector.errors import ArchiveForeign, ArchiveKeyMissing
from projector.store import log
from projector.store.database import Database
from projector.store.erasure import key_tree, markers
from projector.store.log_ranges import COLUMNS, Block
from projector.store.log_restore import append_recorded
from replay.archive import compare, encryption, erasures, read, rows
from replay.archive.compare import LogRange
from replay.archive.encryption import KeyMissing
from replay.archive.erasures import Erasures
from replay.archive.keys import DatabaseKeys, FileKeys, Keys
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
    #: Whether the archive is encrypted.
    encrypted: bool
    #: How many of the appended events are markers: the places of erased events.
    erased: int
    #: How many events the log had before, in the clear, that were erased since: see `forget`.
    unerased: int
    seconds: float


@frozen(kw_only=True)
class _Restore:
    database: Database
    archive: Archive
    keys: Keys
    erasures: Erasures
    #: The position of the log before.
    before: int
    erased: list[int] = field(factory=list)

    def file(self, file: File, on_progress: Callable[[int], None]) -> None:
        """Append what the log lacks of a file, after comparing what it has."""
        found = self._read_log(file) if file.first <= self.before else None
        if found is not None and file.last <= self.before and not found.erased:
            self._require(found.digest == file.digest, file)
            return
        with downloaded(self.archive.shelf, file) as path:
            if found is not None:
                self._require(found.digest == self._digest(file, path, found), file)
            for block in self._blocks(file, path):
                rows_ = (row for row in zip(*block, strict=True) if row[0] > self.before)
                if events := list(map(_to_event, rows_)):
                    append_recorded(self.database, events, self.erasures.told)
                    self.erased.append(sum(each.source == ERASED_SOURCE for each in events))
                    on_progress(events[-1].position)

    def _read_log(self, file: File) -> LogRange:
        """Read the log's rows of a file, but for those that were erased since."""
        try:
            with self.database.reading() as connection:
                return compare.read_log(
                    connection,
                    file,
                    is_encrypted=self.archive.is_encrypted,
                    until=min(file.last, self.before),
                    erased=self.erasures.by_position,
                )
        except KeyMissing as error:
            raise self._missing(error) from error

    def _digest(self, file: File, path: Path, found: LogRange) -> str:
        """Return the digest of the rows of a file that are compared with the log's."""
        with erasures.naming(self.archive, file):
            return compare.digest_of(
                row
                for row in compare.file_rows(path, is_encrypted=self.archive.is_encrypted)
                if row[0] <= self.before and row[0] not in found.erased
            )

    def _require(self, is_same: bool, file: File) -> None:
        if not is_same:
            position = f"{file.first} to {min(file.last, self.before)}"
            raise ArchiveForeign(url=self.archive.shelf.url, position=position)

    def _blocks(self, file: File, path: Path) -> Iterator[Block]:
        """Yield a file by row groups, as they belong into the log: what was erased as markers."""
        is_encrypted, erased = self.archive.is_encrypted, self.erasures.by_position
        nodes = self.keys.read(file.first, file.last) if is_encrypted else []
        with erasures.naming(self.archive, file):
            for block in rows.blocks(path, rows.layout_of(is_encrypted=is_encrypted)):
                if not is_encrypted:
                    yield encryption.with_markers(block, erased)
                    continue
                keys = key_tree.keys(nodes, block[0][0], block[0][-1])
                try:
                    yield encryption.decrypt(block, keys, erased)
                except KeyMissing as error:
                    raise self._missing(error) from error

    def _missing(self, error: KeyMissing) -> ArchiveKeyMissing:
        return ArchiveKeyMissing(url=self.archive.shelf.url, position=error.position)


def restore(
    database: Database,
    archive: Archive,
    key_file: FileKeys | None = None,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RestoreReport:
    """Append what the log lacks of its archive, with positions and streams as they were.

    First compares all of the log that is archived with the archive. Appends in transactions of a
    row group; after a kill, the next run goes on. What was erased, as the archive or the file of
    keys tells, is appended as markers. An encrypted archive needs keys: those of the database, or
    those of a file, which are stored in the database. `on_progress` receives the number of events
    that are done, and their total. Raises NotArchived, ArchiveForeign if the log has other events,
    ArchiveBroken, ArchiveUnreachable, ArchiveKeysMissing, ArchiveKeyMissing, or DatabaseBusy if
    another process appends.
    """
    begin = time.monotonic()
    read.require_files(archive)
    told = erasures.read(archive, key_file)
    if archive.is_encrypted:
        erasures.store_keys(database, archive, key_file, told)
    with database.reading() as connection:
        before = log.head(connection)
        known = markers.read(connection, 1, before)
    unerased = {each for each in told.by_position if each <= before} - known.keys()
    total = max(archive.last - before, 0)
    keys = DatabaseKeys(database) if key_file is None else key_file
    work = _Restore(database=database, archive=archive, keys=keys, erasures=told, before=before)
    for file in archive.files:
        work.file(file, lambda position: on_progress(position - before, total))
    more = erasures.append_missing(database, told)
    return RestoreReport(
        events=total + more,
        before=before,
        head=before + total + more,
        last=archive.last,
        encrypted=archive.is_encrypted,
        erased=sum(work.erased),
        unerased=len(unerased),
        seconds=round(time.monotonic() - begin, 3),
    )


def _to_event(row: tuple[object, ...]) -> RecordedEvent:
    values = dict(zip(COLUMNS, row, strict=True))
    for name in ("occurred_at", "received_at"):
        values[name] = datetime.fromisoformat(str(values[name]))
    return RecordedEvent(**values)  # type: ignore[arg-type]
