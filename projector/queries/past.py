"""Folds a customer's events up to a moment, from the nearest snapshots.

The fold to a moment is that of the events which occurred up to an instant (`as_of`) and have no
greater position than `until`. A snapshot is a part of it if none of its events has a greater
position, and if no event that its projection has not folded yet lies before its key: such an event
is late, and behind the checkpoint. The dead letters before the key are those that the projection
has stored. So the result is that of a fold from the beginning.

The events behind it are read in pieces, up to the next snapshot each, so that the database sorts no
more than a piece.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import KEY_MAX, KEY_MIN, CanonicalKey, CustomerKey, RecordedEvent, end_of
from projector.projections.projection import Projection, State, fold
from projector.projections.snapshots import SnapshotPlace
from projector.runner.stream_facts import decode_all
from projector.store import checkpoints, customers, dead_letters, log, snapshots, stream_log
from projector.text.instants import to_utc

#: The place before the first event of a stream.
_BEGINNING = SnapshotPlace(KEY_MIN, 0, 0)


@frozen
class PastState:
    """A customer's state of one projection at a moment."""

    state: State
    #: False if an event of the customer could not be folded.
    complete: bool


@frozen
class Beginning:
    """The start of a fold of some projections: a snapshot of each, or the first event."""

    projections: Sequence[Projection]
    #: The states to begin with, and whether all events before could be folded.
    states: Sequence[PastState]
    #: The customer's events that follow, in canonical order.
    events: Iterator[RecordedEvent]
    #: The key of the snapshot; KEY_MIN for the first event.
    key: CanonicalKey = KEY_MIN


def states_at(
    connection: Connection,
    projections: Sequence[Projection],
    customer: CustomerKey,
    *,
    until: int,
    as_of: datetime | None,
) -> dict[str, PastState]:
    """Return the states at a moment, by projection."""
    found: dict[str, PastState] = {}
    for begin in beginnings(connection, projections, customer, until=until, as_of=as_of):
        states, failures = fold(
            begin.projections, [each.state for each in begin.states], decode_all(begin.events)
        )
        failed = {each.projection for each in failures}
        for projection, before, state in zip(begin.projections, begin.states, states, strict=True):
            complete = before.complete and projection.name not in failed
            found[projection.name] = PastState(state, complete)
    return found


def beginnings(
    connection: Connection,
    projections: Sequence[Projection],
    customer: CustomerKey,
    *,
    until: int,
    as_of: datetime | None,
    before: CanonicalKey = KEY_MAX,
) -> Iterator[Beginning]:
    """Yield where the fold to a moment begins: for all projections at once, if possible.

    The snapshots lie before the key `before`. Consume the events of each before taking the next.
    """
    stream_id = customers.stream_of(connection, customer)
    if not snapshots.streams_with_any(connection, projections, [stream_id]):
        states = [PastState(each.initial, complete=True) for each in projections]
        events = log.read_customer(connection, customer, until=until, as_of=as_of)
        yield Beginning(projections, states, events)
        return
    end = KEY_MAX if as_of is None else end_of(to_utc(as_of))
    unfolded = _first_unfolded(connection, projections, stream_id, until)
    stream = _LongStream(connection, stream_id, until, end, unfolded)
    by_place: dict[SnapshotPlace, list[tuple[Projection, PastState]]] = {}
    for projection in projections:
        place, state = stream.begin(projection, min(before, end))
        by_place.setdefault(place, []).append((projection, state))
    for place, some in by_place.items():
        together = [projection for projection, _ in some]
        events = stream.read(together, place)
        yield Beginning(together, [state for _, state in some], events, place.key)


@frozen
class _LongStream:
    """A stream with snapshots, up to a moment."""

    connection: Connection
    stream_id: int
    #: The last position that counts, and a key behind which no event counts.
    until: int
    end: CanonicalKey
    #: By projection: the least key of the late events that it has not folded yet.
    unfolded: Mapping[str, CanonicalKey | None]

    def begin(
        self, projection: Projection, before: CanonicalKey
    ) -> tuple[SnapshotPlace, PastState]:
        """Return the last usable snapshot before a key, or the beginning of the stream."""
        late = self.unfolded[projection.name]
        found = snapshots.last_before(
            self.connection,
            projection,
            self.stream_id,
            before if late is None else min(before, late),
            known_at=self.until,
        )
        if found is None:
            return _BEGINNING, PastState(projection.initial, complete=True)
        is_incomplete = dead_letters.has_any_until(
            self.connection, projection.name, self.stream_id, found.key
        )
        state = PastState(projection.from_rows(found.rows), complete=not is_incomplete)
        return SnapshotPlace(found.key, found.complete_at, found.tail_after), state

    def read(
        self, projections: Sequence[Projection], place: SnapshotPlace
    ) -> Iterator[RecordedEvent]:
        """Yield the events behind a snapshot that the projections read, and perhaps others."""
        # The snapshots do not know the positions of events that are late and not yet folded.
        is_known = all(self.unfolded[each.name] is None for each in projections)
        key, after = place.key, place.tail_after
        while key < self.end:
            last, highest = self.end, self.until
            places = self._next_places(projections, key) if is_known else []
            if places:
                last = min(last, *(each.key for each in places))
                highest = min(highest, max(each.complete_at for each in places))
            yield from stream_log.read_behind(
                self.connection, self.stream_id, key, last=last, after=after, until=highest
            )
            key = last
            if all(each.key == key for each in places):
                after = min((each.tail_after for each in places), default=after)

    def _next_places(
        self, projections: Sequence[Projection], key: CanonicalKey
    ) -> list[SnapshotPlace]:
        """Return each projection's next snapshot behind a key; none unless each one has one."""
        found = [
            snapshots.first_behind(self.connection, each, self.stream_id, key)
            for each in projections
        ]
        places = [each for each in found if each is not None]
        return places if len(places) == len(projections) else []


def _first_unfolded(
    connection: Connection, projections: Sequence[Projection], stream_id: int, until: int
) -> dict[str, CanonicalKey | None]:
    """Return, by projection, the least key of a stream's late events behind its checkpoint."""
    folded = checkpoints.read(connection, projections)
    by_position = {
        position: stream_log.first_late_key(connection, stream_id, after=position, until=until)
        if position < until
        else None
        for position in {each.position for each in folded.values()}
    }
    return {name: by_position[each.position] for name, each in folded.items()}
