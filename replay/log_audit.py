"""Checks the log against its own rules: dense numbering, stream rows, late flags, erasures."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import Connection

from projector.envelope import RESERVED_PREFIX, RecordedEvent
from projector.sealing import claims
from projector.sealing.claims import Claims
from projector.store.checkpoints import Checkpoint
from projector.store.sealed import erasures, records
from projector.store.verify.log_counts import (
    ERASED_KEY,
    LastKey,
    LogCounts,
    Span,
    StrayEvent,
    StreamRow,
)
from projector.tlog import record


def check_counts(counts: LogCounts) -> Iterator[str]:
    """Check that positions and stream ids are dense: 1, 2, 3 … up to the log head's numbers.

    This and the other checks yield a sentence for each problem.
    """
    for name, last, found in (
        ("positions", counts.head, counts.positions),
        ("stream ids", counts.last_stream_id, counts.stream_ids),
    ):
        if found != Span(last, min(last, 1), last):
            yield (
                f"The log head says that {name} go from 1 to {last}, "
                f"but the log has {found.size}, from {found.first} to {found.last}."
            )
    for name, number in counts.orphans.items():
        yield f"Rows of {name} without an event: {number}."
    leaves = counts.leaves
    if leaves != Span(leaves.last, min(leaves.last, 1), leaves.last) or leaves.last > counts.head:
        yield (
            f"The seal should have each position from 1 to its last, up to {counts.head} at most, "
            f"but has {leaves.size}, from {leaves.first} to {leaves.last}."
        )
    if counts.late_without_customer:
        yield f"Events without a customer that are marked late: {counts.late_without_customer}."


def check_strays(strays: Iterable[StrayEvent]) -> Iterator[str]:
    """Check that the stream of each event exists; `strays` are the events whose stream does not."""
    for position, stream_id in strays:
        yield f"The event at position {position} is in stream {stream_id}, which does not exist."


def check_checkpoints(checkpoints: Iterable[Checkpoint], head: int) -> Iterator[str]:
    """Check that no projection's checkpoint is beyond the head of the log."""
    for each in checkpoints:
        if not 0 <= each.position <= head:
            yield f"The checkpoint of {each.projection} is at {each.position}, the head at {head}."


def check_erasures(connection: Connection) -> Iterator[str]:
    """Check that the events which are erased are those whose erasure the log tells of.

    Only these are read; memory is bounded as that of `projector.sealing.claims` is. Events that are
    missing are the business of `check_counts`.
    """
    told = Claims(connection)
    yield from map(claims.unreadable_fault, told.unreadable)
    after = 0
    while (start := _next_window(connection, told, after)) is not None:
        yield from told.load(start - 1)
        found = records.scan_markers(connection, after=start - 1, until=told.until)
        for position, event_record in found:
            erasure_id, claim = record.erasure_of(event_record), told.at(position)
            yield from claims.faults(position, erasure_id, claim)
            if erasure_id is None and claim is None:
                yield f"The event at position {position} is erased, but not as an erasure does it."
            told.meet(position)
        for position in told.left():
            if next(records.scan(connection, after=position - 1, until=position), None):
                yield from claims.faults(position, None, told.at(position))
        after = told.until


def _next_window(connection: Connection, told: Claims, after: int) -> int | None:
    """Return the next position that is erased or should be; None for no more."""
    found = (erasures.next_marker(connection, after), told.next_claimed(after))
    return min((each for each in found if each is not None), default=None)


class StreamAudit:
    """A check of events on their way into a fold: stream by stream, each in canonical order."""

    def __init__(self, streams: Mapping[int, StreamRow]) -> None:
        self._streams = dict(streams)
        self._positions = array("q")
        self._late = bytearray()
        self._last: RecordedEvent | None = None
        self.problems: list[str] = []

    def watch(self, events: Iterable[RecordedEvent]) -> Iterator[RecordedEvent]:
        """Yield the events unchanged; `problems` is complete when the last one has been taken."""
        for event in events:
            if self._last is not None and event.stream_id != self._last.stream_id:
                self._end(self._last)
            self._positions.append(event.position)
            self._late.append(event.late)
            self._last = event
            yield event
        if self._last is not None:
            self._end(self._last)
        for stream_id, stream in self._streams.items():
            if not stream.is_erased:
                self.problems.append(f"Stream {stream_id} has no events.")
            elif not _says_erased(stream_id, stream):
                self.problems.append(f"Stream {stream_id} is erased, but its row says otherwise.")

    def _end(self, last: RecordedEvent) -> None:
        """Check a stream whose events have all been seen; `last` has the greatest canonical key."""
        stream = self._streams.pop(last.stream_id or 0, None)
        # check_strays reports events whose stream does not exist.
        if stream is not None and stream.is_erased:
            self.problems.append(f"Stream {last.stream_id} is erased, but has events.")
        elif stream is not None and stream.last != LastKey.of(last.key):
            self.problems.append(
                f"The greatest key of stream {last.stream_id} is that of position {last.position}, "
                "but the stream row has another."
            )
        first_after = last.position + 1
        for position, late in zip(reversed(self._positions), reversed(self._late), strict=True):
            # An event is late if it was appended after an event that it precedes.
            if bool(late) != (first_after < position):
                self.problems.append(f"The event at position {position} has a wrong late flag.")
            first_after = min(first_after, position)
        del self._positions[:]
        del self._late[:]


def _says_erased(stream_id: int, stream: StreamRow) -> bool:
    return (
        stream.customer.customer_id == f"{RESERVED_PREFIX}{stream_id}" and stream.last == ERASED_KEY
    )
