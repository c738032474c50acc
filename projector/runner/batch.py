"""Folds one batch of the log into the changed rows of each projection.

A batch is read in pieces, and every event is folded at once onto the state of its customer, which
is loaded when it is first needed. Memory therefore holds the states of the customers in the batch,
and not its events. So a batch may have many events; the more it has, the less often a customer's
rows are loaded and written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.events import DecodedFact, UndecodableFact
from projector.projections.projection import (
    Projection,
    Readers,
    Row,
    State,
    apply_fact,
    class_of,
    readers_by_class,
)
from projector.projections.snapshots import TakenSnapshot, is_due, pack
from projector.runner import late
from projector.runner.isolation import blaming
from projector.runner.late import LateStream, fold_whole_stream
from projector.runner.stream_facts import StreamFacts, decode_event, stream_facts
from projector.store import log, table_rows
from projector.store.dead_letters import DeadLetter
from projector.store.table_rows import Rows

#: The number of events that are read in one piece.
PIECE_EVENTS_MAX = 5_000

#: The approximate number of customer states in a batch, which ends with the piece that exceeds it.
CUSTOMERS_MAX = 20_000


@frozen
class ProjectionChange:
    """The change that a batch makes to one projection."""

    #: The rows of the batch's customers before and after it, as far as they were loaded: of a
    #: history the last row of each series, unless the stream was refolded; then those that the
    #: refold may change. `old` is empty if `fold_streams` folded whole streams.
    old: Rows
    new: Rows
    dead_letters: list[DeadLetter]
    #: The streams that were folded from their first event, because one of their events was late.
    refolded: list[int]
    #: The streams that were folded from a snapshot, for the same reason, each with its key.
    refolded_after: Mapping[int, CanonicalKey]
    #: The new snapshots.
    snapshots: list[TakenSnapshot]


@define
class _ProjectionFold:
    """One projection's part of a batch, as far as it is folded."""

    projection: Projection
    old: dict[CustomerKey, list[Row]] = field(factory=dict)
    states: dict[CustomerKey, State] = field(factory=dict)
    dead_letters: list[DeadLetter] = field(factory=list)
    #: The streams with a late event that the projection reads.
    late: dict[int, LateStream] = field(factory=dict)
    refolded_after: dict[int, CanonicalKey] = field(factory=dict)
    snapshots: list[TakenSnapshot] = field(factory=list)
    #: Rows of histories that were taken out of `states`, because they do not change any more.
    finished: dict[CustomerKey, list[Row]] = field(factory=dict)

    def load(self, connection: Connection, customers: Iterable[CustomerKey]) -> None:
        """Load the states of the customers that are new to the batch."""
        new = [customer for customer in customers if customer not in self.states]
        with blaming(self.projection):
            self.add(new, table_rows.load_last(connection, self.projection, new))

    def add(self, customers: Iterable[CustomerKey], rows: Rows) -> None:
        """Add the states of customers to the batch, from their rows."""
        with blaming(self.projection):
            self.old.update(rows)
            for customer in customers:
                self.states[customer] = self.projection.from_rows(rows.get(customer, []))

    def add_dead_letter(self, position: int, stream_id: int | None, reason: str) -> None:
        """Record an event that the projection cannot fold as a dead letter."""
        self.dead_letters.append(DeadLetter(self.projection.name, position, stream_id, reason))

    def add_late(self, stream_id: int, customer: CustomerKey, key: CanonicalKey) -> None:
        """Record a late event that the projection reads."""
        known = self.late.get(stream_id)
        least = key if known is None else min(key, known.key)
        self.late[stream_id] = LateStream(customer, least)

    def take_snapshot(
        self, stream_id: int, customer: CustomerKey, key: CanonicalKey, position: int
    ) -> None:
        """Take a snapshot behind an event that is not late, so that it is the stream's last one."""
        with blaming(self.projection):
            packed, state, finished = pack(self.projection, self.states[customer])
        self.states[customer] = state
        self.finished.setdefault(customer, []).extend(finished)
        self.snapshots.append(TakenSnapshot(stream_id, key, position, position, packed))

    def change(self) -> ProjectionChange:
        """Compute the new rows from the states, and return the whole change."""
        to_rows = self.projection.to_rows
        with blaming(self.projection):
            new = {customer: to_rows(state) for customer, state in self.states.items()}
        for customer, rows in self.finished.items():
            new[customer] += rows
        whole = sorted(self.late.keys() - self.refolded_after.keys())
        return ProjectionChange(
            self.old, new, self.dead_letters, whole, self.refolded_after, self.snapshots
        )


class _PieceFact(NamedTuple):
    """A fact in a piece of the log, with its customer and stream."""

    customer: CustomerKey
    stream_id: int
    is_late: bool
    key: CanonicalKey
    fact: DecodedFact
    position: int


def fold_batch(
    connection: Connection,
    projections: Sequence[Projection],
    *,
    after: int,
    until: int,
    events_max: int,
) -> tuple[int, list[ProjectionChange]]:
    """Fold the events that follow position `after` into the rows as they are at `after`.

    The facts of a customer without a late event are folded onto the customer's rows. If there is a
    late event, the customer's stream is refolded: see `late`.
    Returns the position of that end, and the change of each projection.
    """
    batches = [_ProjectionFold(projection) for projection in projections]
    end = min(until, after + events_max)
    last = after
    while last < end and all(len(batch.states) < CUSTOMERS_MAX for batch in batches):
        events = log.read(connection, after=last, until=end, limit=PIECE_EVENTS_MAX)
        _fold_piece(connection, batches, events)
        last = events[-1].position
    late.refold(connection, batches, last)
    return last, [batch.change() for batch in batches]


def fold_loaded(
    projections: Sequence[Projection], rows: Sequence[Rows], events: Sequence[RecordedEvent]
) -> list[ProjectionChange]:
    """Fold events, none of them late, onto the rows of their customers, by projection."""
    batches = [_ProjectionFold(projection) for projection in projections]
    readers = readers_by_class(tuple(projections))
    piece = _decode_piece(events, batches, readers)
    for batch, loaded in zip(batches, rows, strict=True):
        batch.add({each.customer for each in piece}, loaded)
    _apply_piece(batches, readers, piece)
    return [batch.change() for batch in batches]


def fold_streams(
    projections: Sequence[Projection],
    events: Iterable[RecordedEvent],
    *,
    takes_snapshots: bool = False,
) -> list[ProjectionChange]:
    """Fold whole streams from the initial state.

    `events` comes stream by stream, each stream in canonical order. Events without a stream give no
    rows, but may become dead letters.
    """
    return fold_stream_facts(projections, stream_facts(events), takes_snapshots=takes_snapshots)


def fold_stream_facts(
    projections: Sequence[Projection],
    streams: Iterable[StreamFacts],
    *,
    takes_snapshots: bool = False,
) -> list[ProjectionChange]:
    """Fold whole streams of decoded facts from the initial state."""
    batches = [_ProjectionFold(projection) for projection in projections]
    for stream in streams:
        fold_whole_stream(batches, stream, takes_snapshots=takes_snapshots)
    return [batch.change() for batch in batches]


def _fold_piece(
    connection: Connection, batches: Sequence[_ProjectionFold], events: Sequence[RecordedEvent]
) -> None:
    """Fold a piece of the log onto the states, except for the streams with a late event."""
    readers = readers_by_class(tuple(batch.projection for batch in batches))
    piece = _decode_piece(events, batches, readers)
    classes = {class_of(each.fact) for each in piece}
    due = {each.customer for each in piece if is_due(each.position)}
    for batch in batches:
        reads = {each for each in classes if batch.projection.evolver_of(each) is not None}
        customers = {each.customer for each in piece if class_of(each.fact) in reads}
        batch.load(connection, customers | due)
    _apply_piece(batches, readers, piece)


def _apply_piece(
    batches: Sequence[_ProjectionFold], readers: Readers, piece: Sequence[_PieceFact]
) -> None:
    """Apply the facts of a piece to the states, which are there; take snapshots that are due."""
    for customer, stream_id, is_late, key, fact, position in piece:
        for index, evolver in readers[class_of(fact)]:
            batch = batches[index]
            if is_late:
                batch.add_late(stream_id, customer, key)
            if stream_id in batch.late:
                continue
            state, reason = apply_fact(batch.projection, evolver, batch.states[customer], fact, key)
            batch.states[customer] = state
            if reason is not None:
                batch.add_dead_letter(position, stream_id, reason)
        if not is_late and is_due(position):
            # Of all projections, whether they read this event or not: they read others.
            for batch in batches:
                if stream_id not in batch.late:
                    batch.take_snapshot(stream_id, customer, key, position)


def _decode_piece(
    events: Iterable[RecordedEvent], batches: Sequence[_ProjectionFold], readers: Readers
) -> list[_PieceFact]:
    """Decode a piece, in the order of the log; events about no customer become dead letters."""
    piece = []
    for event in events:
        keyed = decode_event(event)
        if keyed is None:
            continue
        key, fact, position = keyed
        if event.customer_id is not None and event.stream_id is not None:
            customer = CustomerKey(event.project_id, event.customer_id)
            is_late = event.late
            piece.append(_PieceFact(customer, event.stream_id, is_late, key, fact, position))
        elif isinstance(fact, UndecodableFact):  # always: such an event has no readable part
            for index, _ in readers[fact.fact_type]:
                batches[index].add_dead_letter(position, None, fact.reason)
    return piece
