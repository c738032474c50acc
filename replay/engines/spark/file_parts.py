"""Reads the events of a part of an archive's file, without those that were erased since."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from attrs import field, frozen

from projector.errors import ArchiveBroken, ArchiveKeyMissing
from projector.store import log_ranges
from projector.store.erasure import key_tree
from projector.store.erasure.key_tree import Node
from replay.archive import encryption, rows
from replay.archive.encryption import KeyMissing
from replay.archive.shelf import Shelf

#: The columns of an archive's file that are read.
COLUMNS = (
    "position",
    "project_id",
    "event_id",
    "type",
    "stream_id",
    "customer_id",
    "occurred_at",
    "source",
    "body",
)


@frozen(kw_only=True)
class FilePart:
    """A part of a file: its row groups, divided by a number of parts."""

    name: str
    #: The SHA-256 of the file, in hex.
    sha256: str
    index: int
    parts: int
    #: The ranges of positions whose events were erased since they were archived.
    erased: tuple[tuple[int, int], ...] = ()
    #: The keys of an encrypted file; None if it is not encrypted. They are secret: they travel with
    #: the task, and to no file of the archive.
    keys: tuple[Node, ...] | None = field(default=None, repr=False)

    def of(self, row_groups: int) -> range:
        """Return the row groups of this part, of all that the file has."""
        return range(
            self.index * row_groups // self.parts, (self.index + 1) * row_groups // self.parts
        )

    def erased_among(self, positions: Iterable[int]) -> set[int]:
        """Return those of some positions whose events were erased."""
        firsts = [first for first, _ in self.erased]
        return {
            each
            for each in positions
            if (place := bisect_right(firsts, each)) and each <= self.erased[place - 1][1]
        }

    def read(self, stored: Shelf) -> Iterator[tuple[int, Iterator[tuple[Any, ...]]]]:
        """Yield the number of events of each row group, and those that were not erased.

        Each as the values of COLUMNS; instants in microseconds since 1970. Raises ArchiveBroken,
        ArchiveKeyMissing, ArchiveUnreachable.
        """
        return _row_groups(self, stored)


def _row_groups(part: FilePart, stored: Shelf) -> Iterator[tuple[int, Iterator[tuple[Any, ...]]]]:
    """Yield the number of events of each row group, and those that were not erased, as rows."""
    layout = rows.layout_of(is_encrypted=part.keys is not None)
    try:
        with stored.reader(part.name) as source, rows.opened(source, layout) as file:
            if part.index == 0:
                _require_same(stored, part)
            for group in part.of(file.num_row_groups):
                read = _read_plain if part.keys is None else _read_encrypted
                found = read(file, group, part)
                erased = part.erased_among(row[0] for row in found)
                yield len(found), (row for row in found if row[0] not in erased)
    except KeyMissing as error:
        raise ArchiveKeyMissing(url=stored.url, position=error.position) from error
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = f"its rows cannot be read: {str(error).splitlines()[0]}"
        raise ArchiveBroken(url=stored.url, name=part.name, reason=reason) from error


def _read_plain(file: pq.ParquetFile, group: int, _part: FilePart) -> list[tuple[Any, ...]]:
    """Return the values of COLUMNS of a row group; instants in microseconds since 1970."""
    table = file.read_row_group(group, columns=[*COLUMNS]).select(COLUMNS)
    at = table.schema.get_field_index("occurred_at")
    instants = table.column(at).cast(pa.int64())
    columns = (each.to_pylist() for each in table.set_column(at, "occurred_at", instants).columns)
    return list(zip(*columns, strict=True))


def _read_encrypted(file: pq.ParquetFile, group: int, part: FilePart) -> list[tuple[Any, ...]]:
    """Decrypt a row group; return what `_read_plain` does, with markers of what was erased."""
    block = rows.as_block(file.read_row_group(group))
    positions = block[0]
    keys = key_tree.keys(part.keys or (), positions[0], positions[-1])
    erased = dict.fromkeys(part.erased_among(positions), 0)
    found = dict(zip(log_ranges.COLUMNS, encryption.decrypt(block, keys, erased), strict=True))
    found["occurred_at"] = rows.in_microseconds(found["occurred_at"])
    return list(zip(*(found[name] for name in COLUMNS), strict=True))


def _require_same(stored: Shelf, part: FilePart) -> None:
    """Raise ArchiveBroken unless the file is the one that the manifest names."""
    with stored.reader(part.name) as source:
        # What Python types as a reader of its own files is read in pieces here.
        found = hashlib.file_digest(source, "sha256").hexdigest()  # type: ignore[arg-type]
    if found != part.sha256:
        reason = "its SHA-256 is not that of the manifest"
        raise ArchiveBroken(url=stored.url, name=part.name, reason=reason)
