"""Counts and hashes the rows of a range, as the entry of its file in the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from projector.store import digest, log_ranges
from projector.store.log_ranges import Block
from replay.archive.manifest import File, file_name

_POSITION, _TYPE, _STREAM, _OCCURRED, _RECEIVED, _LATE, _BODY = (
    log_ranges.COLUMNS.index(name)
    for name in ("position", "type", "stream_id", "occurred_at", "received_at", "late", "body")
)


class Tally:
    """The counts and the digest of rows that are added block by block, in the order of positions.

    `first` is the position at which they must begin.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        #: The position of the last row that was added.
        self.last = first - 1
        #: A position that is missing in the rows, or is there twice; None if they have no hole.
        self.hole: int | None = None
        self._types: Counter[str] = Counter()
        self._digest = 0
        self._last_row: tuple[object, ...] = ()
        self._without_customer = self._late = self._body_bytes = self._stream_id_max = 0
        # Least and greatest; empty before the first row.
        self._occurred = self._received = ("", "")

    def add(self, block: Block) -> None:
        """Add a block of rows, which follow those before."""
        self._follow(block[_POSITION])
        self._digest += digest.of(zip(*block, strict=True))
        self._last_row = tuple(column[-1] for column in block)
        self._types.update(block[_TYPE])
        streams = block[_STREAM]
        self._without_customer += list(streams).count(None)
        self._stream_id_max = max(self._stream_id_max, max(filter(None, streams), default=0))
        self._late += sum(block[_LATE])
        self._body_bytes += len("".join(block[_BODY]).encode())
        self._occurred = _span(self._occurred, block[_OCCURRED])
        self._received = _span(self._received, block[_RECEIVED])

    def _follow(self, positions: Sequence[int]) -> None:
        expected = range(self.last + 1, self.last + 1 + len(positions))
        if self.hole is None and list(positions) != list(expected):
            pairs = zip(expected, positions, strict=True)
            self.hole = next(wanted for wanted, found in pairs if wanted != found)
        self.last = expected[-1]

    @property
    def events(self) -> int:
        """The number of rows."""
        return self.last - self._first + 1

    @property
    def rows_digest(self) -> str:
        """The digest of all rows."""
        return digest.apply(digest.EMPTY, self._digest)

    def as_file(self, *, size: int, sha256: str) -> File:
        """Return the entry of a file that has these rows, at least one, and these bytes."""
        return File(
            first=self._first,
            last=self.last,
            name=file_name(self._first, self.last, sha256),
            bytes=size,
            sha256=sha256,
            digest=self.rows_digest,
            last_digest=row_digest(self._last_row),
            types=dict(sorted(self._types.items())),
            without_customer=self._without_customer,
            late=self._late,
            body_bytes=self._body_bytes,
            stream_id_max=self._stream_id_max,
            occurred=self._occurred,
            received=self._received,
        )


def row_digest(row: tuple[object, ...]) -> str:
    """Return the digest of one row."""
    return digest.apply(digest.EMPTY, digest.of([row]))


def _span(known: tuple[str, str], column: Sequence[str]) -> tuple[str, str]:
    least, greatest = min(column), max(column)
    return min(known[0], least) if known[0] else least, max(known[1], greatest)
