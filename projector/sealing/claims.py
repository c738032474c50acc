"""Reads which events the log itself says are erased: claims that its markers must meet.

Claims are read window by window, so that memory is bounded however many events were erased: 16
bytes for each position of a window, and 24 for each erasure.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from projector.store.sealed import records
from projector.tlog import record

#: The number of positions of a window.
WINDOW = 1 << 18

#: The type of an event that tells of an erasure.
TYPE = b"projector.erasure"

#: Behind all positions.
_END = 2**63 - 1


class Claim(NamedTuple):
    """The statement of the event at position `told_at` that an erasure has erased another one."""

    told_at: int
    erasure_id: int


class _Body(msgspec.Struct, kw_only=True):
    """The body of an event that tells of an erasure."""

    erasure_id: int
    #: The first and the last position of each range.
    positions: list[tuple[int, int]]


class Claims:
    """The claims of all erasures in a snapshot of the log; at first none are loaded."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        #: The positions of the events that tell of erasures, and what their claims lie between.
        self._told_at, self._first, self._last = array("q"), array("q"), array("q")
        #: The positions of such events that cannot be read.
        self.unreadable = array("q")
        #: The window begins behind this position; its claims by position, where 0 is no claim.
        self._after = 0
        self._tellers = array("q")
        self._erasures = array("q")
        for position, event_record in records.scan_own(connection, after=0, until=_END):
            self._index(position, event_record)

    def load(self, after: int) -> Iterator[str]:
        """Load the window behind a position; yield a sentence for each claim that is another's.

        On Postgres no rows may be streamed from the connection meanwhile.
        """
        self._after = after
        self._tellers, self._erasures = array("q"), array("q")
        for number, told_at in enumerate(self._told_at):
            if self._first[number] <= after + WINDOW and self._last[number] > after:
                yield from self._fill(told_at)

    @property
    def until(self) -> int:
        """The last position of the window."""
        return self._after + WINDOW

    def at(self, position: int) -> Claim | None:
        """Return the claim that the event at a position of the window is erased, or None."""
        if not self._tellers:
            return None
        index = position - self._after - 1
        told_at = self._tellers[index]
        return Claim(told_at, self._erasures[index]) if told_at else None

    def meet(self, position: int) -> None:
        """Take the claim of a position out of the window."""
        if self._tellers:
            self._tellers[position - self._after - 1] = 0

    def left(self) -> Iterator[int]:
        """Yield the positions of the window with a claim."""
        for index, told_at in enumerate(self._tellers):
            if told_at:
                yield self._after + 1 + index

    def next_claimed(self, after: int) -> int | None:
        """Return a position behind another one, with no claims in between; None for no claims."""
        spans = zip(self._first, self._last, strict=True)
        return min((max(first, after + 1) for first, last in spans if last > after), default=None)

    def _index(self, position: int, event_record: bytes) -> None:
        """Note where the claims of an event lie, if it tells of an erasure."""
        if record.split(event_record).type != TYPE:
            return
        body = _parse(position, event_record)
        if body is None:
            self.unreadable.append(position)
        elif body.positions:
            self._told_at.append(position)
            self._first.append(min(first for first, _ in body.positions))
            self._last.append(max(last for _, last in body.positions))

    def _fill(self, told_at: int) -> Iterator[str]:
        """Add the claims of an event to the window."""
        [(_, event_record)] = records.scan(self._connection, after=told_at - 1, until=told_at)
        body = _parse(told_at, event_record)
        if body is None:
            return
        if not self._tellers:
            self._tellers, self._erasures = _zeros(), _zeros()
        others = set[int]()
        for first, last in body.positions:
            begin, end = max(first - self._after - 1, 0), min(last - self._after, WINDOW)
            if begin < end:
                others.update(self._tellers[begin:end])
                self._tellers[begin:end] = array("q", [told_at]) * (end - begin)
                self._erasures[begin:end] = array("q", [body.erasure_id]) * (end - begin)
        for other in sorted(others - {0}):
            yield f"Positions {other} and {told_at} tell that the same event was erased."


def faults(position: int, erasure_id: int | None, claim: Claim | None) -> Iterator[str]:
    """Compare the event at a position, which is a marker of an erasure or not, with its claim."""
    if claim is None:
        if erasure_id is not None:
            yield f"Position {position} is erased, and no erasure tells of it."
    elif erasure_id is None:
        yield (
            f"Position {position} was erased, as position {claim.told_at} tells, "
            "and is there again."
        )
    elif erasure_id != claim.erasure_id:
        yield (
            f"Position {position} is erased by erasure {erasure_id}, but position {claim.told_at} "
            f"tells that erasure {claim.erasure_id} did it."
        )


def unreadable_fault(position: int) -> str:
    """Return the sentence about an event that should tell of an erasure."""
    return f"The event at position {position} does not tell which events its erasure has erased."


def _parse(position: int, event_record: bytes) -> _Body | None:
    """Return the body of an event that tells of an erasure; None if it cannot be meant so."""
    try:
        body = msgspec.json.decode(record.split(event_record).body, type=_Body)
    except (ValueError, RecursionError):
        return None
    # What was erased came before.
    are_before = all(1 <= first <= last < position for first, last in body.positions)
    return body if are_before and 1 <= body.erasure_id <= _END else None


def _zeros() -> array[int]:
    return array("q", bytes(8 * WINDOW))
