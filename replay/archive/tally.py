"""Counts and hashes the rows of a range, as the entry of its file in the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from attrs import evolve

from projector.store import digest, log_ranges
from replay.archive.encryption import digest_rows
from replay.archive.manifest import File, file_name

_POSITION, _TYPE, _STREAM, _OCCURRED, _RECEIVED, _LATE, _BODY = (
    log_ranges.COLUMNS.index(name)
    for name in ("position", "type", "stream_id", "occurred_at", "received_at", "late", "body")
)


class Rows:
    """The positions and the digest of rows, which are added block by block in their order.

    `first` is the position at which they must begin.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        #: The position of the last row that was added.
        self.last = first - 1
        #: A position that is missing in the rows, or is there twice; None if they have no hole.
        self.hole: int | None = None
        self._digest = 0
        self._last_row: tuple[object, ...] = ()
        # Least and greatest; empty before the first row.
        self._received = ("", "")

    def add(self, block: Sequence[Sequence[Any]]) -> None:
        """Add a block of rows, which follow those before."""
        raise NotImplementedError

    def _add(
        self, positions: Sequence[int], received: Sequence[str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        self._follow(positions)
        self._digest += digest.of(rows)
        self._last_row = rows[-1]
        self._received = _span(self._received, received)

    def _follow(self, positions: Sequence[int]) -> None:
        expected = range(self.last + 1, self.last + 1 + len(positions))
        if self.hole is None and list(positions) != list(expected):
            pairs = zip(expected, positions, strict=True)
            self.hole = next(wanted for wanted, found in pairs if wanted != found)
        self.last = expected[-1]

    @property
    def rows_digest(self) -> str:
        """The digest of all rows."""
        return digest.apply(digest.EMPTY, self._digest)

    def as_file(self, *, size: int, sha256: str, erasure_id: int) -> File:
        """Return the entry of a file that has these rows, at least one, and these bytes."""
        return File(
            first=self._first,
            last=self.last,
            name=file_name(self._first, self.last, sha256),
            bytes=size,
            sha256=sha256,
            digest=self.rows_digest,
            last_digest=row_digest(self._last_row),
            erasure_id=erasure_id,
            received=self._received,
        )


class EncryptedTally(Rows):
    """What the manifest says of the rows of an encrypted file."""

    def add(self, block: Sequence[Sequence[Any]]) -> None:
        """Add a block of encrypted rows, which follow those before."""
        self._add(block[0], block[2], digest_rows(tuple(block)))


class Tally(Rows):
    """What the manifest says of the rows of a file that is not encrypted."""

    def __init__(self, first: int) -> None:
        super().__init__(first)
        self._types: Counter[str] = Counter()
        self._without_customer = self._late = self._body_bytes = self._stream_id_max = 0
        self._occurred = ("", "")

    def add(self, block: Sequence[Sequence[Any]]) -> None:
        """Add a block of rows, which follow those before."""
        self._add(block[_POSITION], block[_RECEIVED], list(zip(*block, strict=True)))
        self._types.update(block[_TYPE])
        streams = block[_STREAM]
        self._without_customer += list(streams).count(None)
        self._stream_id_max = max(self._stream_id_max, max(filter(None, streams), default=0))
        self._late += sum(block[_LATE])
        self._body_bytes += len("".join(block[_BODY]).encode())
        self._occurred = _span(self._occurred, block[_OCCURRED])

    def as_file(self, *, size: int, sha256: str, erasure_id: int) -> File:
        """Return the entry of a file that has these rows, at least one, and these bytes."""
        return evolve(
            super().as_file(size=size, sha256=sha256, erasure_id=erasure_id),
            types=dict(sorted(self._types.items())),
            without_customer=self._without_customer,
            late=self._late,
            body_bytes=self._body_bytes,
            stream_id_max=self._stream_id_max,
            occurred=self._occurred,
        )


def row_digest(row: tuple[object, ...]) -> str:
    """Return the digest of one row."""
    return digest.apply(digest.EMPTY, digest.of([row]))


def _span(known: tuple[str, str], column: Sequence[str]) -> tuple[str, str]:
    least, greatest = min(column), max(column)
    return min(known[0], least) if known[0] else least, max(known[1], greatest)
