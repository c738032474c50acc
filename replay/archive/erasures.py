"""Finds what an archive, or a file of its keys, tells of erasures, and brings it into a log.

The events of an erasure come after those that it erased: so they are read before anything is
restored.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq
from attrs import evolve, frozen

from projector.envelope import ERASURE_TYPE, OWN_SOURCE, RecordedEvent
from projector.errors import ArchiveBroken, ArchiveKeysMissing
from projector.store import log, log_head
from projector.store.database import Database
from projector.store.erasure import archive_keys, told
from projector.store.erasure.told import ToldErasure
from projector.store.log_restore import append_recorded, recorded_erasures
from replay.archive import encryption, rows
from replay.archive.keys import FileKeys
from replay.archive.manifest import File
from replay.archive.read import Archive

#: The most ranges of positions in one event: a body may have a megabyte.
RANGES_MAX = 20_000

_PLAIN_COLUMNS = ["position", "project_id", "type", "occurred_at", "source", "body"]
_ENCRYPTED_COLUMNS = ["position", "project_id", "received_at", "content"]


@frozen(kw_only=True)
class Erasures:
    """What was erased of an archived log."""

    told: tuple[ToldErasure, ...]
    #: The archived positions that were erased, with their erasures.
    by_position: dict[int, int]


def read(archive: Archive, key_file: FileKeys | None = None) -> Erasures:
    """Return the erasures of which the archive and the file of keys tell; raises ArchiveBroken."""
    events: list[tuple[Any, ...]] = []
    for file in archive.files:
        if file.types is None or ERASURE_TYPE in file.types:
            events += _read_events(archive, file)
    try:
        found = told.collect(events)
    except ValueError as error:
        name = archive.files[-1].name
        raise ArchiveBroken(url=archive.shelf.url, name=name, reason=error) from error
    known = {each.erasure_id for each in found}
    for each in key_file.erasures if key_file is not None else ():
        if each.erasure_id not in known:
            found.append(evolve(each, position=None))
    found.sort(key=lambda each: each.erasure_id)
    return Erasures(told=tuple(found), by_position=told.by_position(found, archive.last))


def store_keys(
    database: Database, archive: Archive, key_file: FileKeys | None, erasures: Erasures
) -> None:
    """Store the keys of a file in a database that has none, and destroy those of what was erased.

    Raises ArchiveKeysMissing.
    """
    with database.writing() as connection:
        log_head.lock(connection)
        if not archive_keys.has_any(connection):
            if key_file is None:
                place = f"the database {database}"
                raise ArchiveKeysMissing(url=archive.shelf.url, place=place)
            archive_keys.insert(connection, key_file.nodes)
        archive_keys.destroy(connection, erasures.by_position)


def append_missing(database: Database, erasures: Erasures) -> int:
    """Append the events of erasures of which no event of the log tells; return their number.

    These came after the end of the archive: without their events, their markers would be taken for
    events that were changed.
    """
    with database.reading() as connection:
        head, recorded = log.head(connection), recorded_erasures(connection)
    appended = 0
    for each in erasures.told:
        if each.erasure_id not in recorded:
            events = list(_events(each, head + appended, until=head))
            appended += len(events)
            moved = evolve(each, position=events[-1].position)
            append_recorded(database, events, [moved])
    return appended


@contextmanager
def naming(archive: Archive, file: File) -> Iterator[None]:
    """Translate a ValueError about the rows of a file into ArchiveBroken."""
    try:
        yield
    except ValueError as error:
        raise ArchiveBroken(url=archive.shelf.url, name=file.name, reason=error) from error


def _events(erasure: ToldErasure, after: int, *, until: int) -> Iterator[RecordedEvent]:
    """Yield the events that tell of an erasure, as far as it erased positions up to one."""
    ranges = [(first, min(last, until)) for first, last in erasure.positions if first <= until]
    pieces = [ranges[begin : begin + RANGES_MAX] for begin in range(0, len(ranges), RANGES_MAX)]
    for position, piece in zip(count(after + 1), pieces or [[]], strict=False):
        yield RecordedEvent(
            project_id=erasure.project_id,
            event_id=f"erasure_{uuid4().hex}",
            type=ERASURE_TYPE,
            customer_id=None,
            occurred_at=erasure.erased_at,
            source=OWN_SOURCE,
            body=told.body_of(evolve(erasure, positions=tuple(piece))),
            position=position,
            stream_id=None,
            received_at=datetime.now(UTC),
            late=False,
        )


def _read_events(archive: Archive, file: File) -> Iterator[tuple[Any, ...]]:
    """Yield the events of a file that tell of erasures: (position, project_id, occurred_at, body).

    Reads no more of an encrypted file than what is not encrypted.
    """
    layout = rows.layout_of(is_encrypted=archive.is_encrypted)
    with (
        naming(archive, file),
        rows.reading(),
        archive.shelf.reader(file.name) as source,
        rows.opened(source, layout) as opened,
    ):
        for group in range(opened.num_row_groups):
            found = _clear_rows(opened, group) if archive.is_encrypted else _rows(opened, group)
            for position, project_id, type_, occurred_at, source_, body in found:
                if (source_, type_) == (OWN_SOURCE, ERASURE_TYPE):
                    at = datetime.fromisoformat(occurred_at)
                    yield position, project_id, at, body


def _rows(opened: pq.ParquetFile, group: int) -> Iterator[tuple[Any, ...]]:
    block = rows.as_block(opened.read_row_group(group, columns=_PLAIN_COLUMNS))
    return zip(*block, strict=True)


def _clear_rows(opened: pq.ParquetFile, group: int) -> Iterator[tuple[Any, ...]]:
    metadata = opened.metadata.row_group(group)
    statistics = metadata.column(rows.ENCRYPTED.schema.names.index("content")).statistics
    if statistics is not None and statistics.null_count == metadata.num_rows:
        return
    block = rows.as_block(opened.read_row_group(group, columns=_ENCRYPTED_COLUMNS))
    for position, project_id, received_at, content in zip(*block, strict=True):
        if content is not None:
            row = encryption.parse(position, project_id, received_at, content)
            yield position, project_id, row[3], row[6], row[9], row[10]
