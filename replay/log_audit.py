"""Checks of the log itself: what its own laws say of it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping

from projector.envelope import RecordedEvent
from projector.store.checkpoints import Checkpoint
from projector.store.verify.log_counts import LastKey, LogCounts, Span, StrayEvent, StreamRow


def check_counts(counts: LogCounts) -> Iterator[str]:
    """Positions and stream ids are 1, 2, 3 … up to what the head says."""
    for name, told, found in (
        ("positions", counts.head, counts.positions),
        ("stream ids", counts.last_stream_id, counts.stream_ids),
    ):
        if found != Span(told, min(told, 1), told):
            yield (
                f"The head says that {name} go from 1 to {told}; "
                f"there are {found.size} from {found.first} to {found.last}."
            )
    for name, number in counts.orphans.items():
        yield f"Rows of {name} that belong to no event: {number}."
    if counts.late_of_nobody:
        yield f"Events that name no customer and are marked late: {counts.late_of_nobody}."


def check_strays(strays: Iterable[StrayEvent]) -> Iterator[str]:
    """Every event of a customer is in a stream."""
    for position, stream_id in strays:
        yield f"The event at position {position} is in stream {stream_id}, which is not there."


def check_checkpoints(checkpoints: Iterable[Checkpoint], head: int) -> Iterator[str]:
    """No projection has seen more than there is."""
    for each in checkpoints:
        if not 0 <= each.position <= head:
            yield f"The checkpoint of {each.projection} is at {each.position}, the head at {head}."


class StreamAudit:
    """Looks at events on their way into a fold: stream by stream, each in canonical order."""

    def __init__(self, streams: Mapping[int, StreamRow]) -> None:
        self._streams = dict(streams)
        self._positions = array("q")
        self._late = bytearray()
        self._last: RecordedEvent | None = None
        self.problems: list[str] = []

    def watch(self, events: Iterable[RecordedEvent]) -> Iterator[RecordedEvent]:
        """Hand the events on; `problems` is complete when they are through."""
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
        """What is to be said of a stream once its greatest event has come by."""
        stream = self._streams.pop(last.stream_id or 0, None)
        # Events without a stream are told by check_strays.
        if stream is not None and stream.last != LastKey.of(last.key):
            self.problems.append(
                f"The greatest key of stream {last.stream_id} is that of position {last.position}, "
                "and the stream says otherwise."
            )
        first_after = last.position + 1
        for position, late in zip(reversed(self._positions), reversed(self._late), strict=True):
            # Late is what came in after an event that it precedes.
            if bool(late) != (first_after < position):
                self.problems.append(f"The event at position {position} has a wrong late flag.")
            first_after = min(first_after, position)
        del self._positions[:]
        del self._late[:]
