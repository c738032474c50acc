"""Checks the log against its own rules: dense numbering, stream rows, late flags."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

from projector.envelope import RecordedEvent
from projector.store.checkpoints import Checkpoint
from projector.store.verify.log_counts import LastKey, LogCounts, Span, StrayEvent, StreamRow


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
        for stream_id in self._streams:
            self.problems.append(f"Stream {stream_id} has no events.")

    def _end(self, last: RecordedEvent) -> None:
        """Check a stream whose events have all been seen; `last` has the greatest canonical key."""
        stream = self._streams.pop(last.stream_id or 0, None)
        # check_strays reports events whose stream does not exist.
        if stream is not None and stream.last != LastKey.of(last.key):
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
