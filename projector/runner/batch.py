"""Folds one batch of the log into the changed rows of each projection.

A batch is read in pieces, and every event is folded at once onto the state of its customer, which
is loaded when it is first needed. Memory therefore holds the states of the customers in the batch,
and not its events. So a batch may have many events; the more it has, the less often a customer's
rows are loaded and written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.codec import decode
from projector.facts.events import DecodedFact, UndecodableFact
from projector.projections.projection import (
    Failure,
    KeyedFact,
    Projection,
    Readers,
    Row,
    State,
    apply_fact,
    class_of,
    fold,
    readers_by_class,
)
from projector.runner.isolation import blaming
from projector.store import log, table_rows
from projector.store.dead_letters import DeadLetter
from projector.store.table_rows import Rows

#: The number of events that are read in one piece.
PIECE_EVENTS_MAX = 5_000

#: The approximate number of customer states in a batch, which ends with the piece that exceeds it.
CUSTOMERS_MAX = 20_000

_stream_id = attrgetter("stream_id")


@frozen
class ProjectionChange:
    """The change that a batch makes to one projection."""

    #: The rows of the batch's customers before and after it, as far as they were loaded: of a
    #: history the last row of each series, unless the stream was refolded. `old` is empty if
    #: `fold_streams` folded whole streams.
    old: Rows
    new: Rows
    dead_letters: list[DeadLetter]
    #: The streams that were folded from their first event, because one of their events was late.
    refolded: list[int]


@define
class _ProjectionFold:
    """One projection's part of a batch, as far as it is folded."""

    projection: Projection
    old: dict[CustomerKey, list[Row]] = field(factory=dict)
    states: dict[CustomerKey, State] = field(factory=dict)
    dead_letters: list[DeadLetter] = field(factory=list)
    #: The streams with a late event that the projection reads, each with its customer.
    late: dict[int, CustomerKey] = field(factory=dict)

    def load(self, connection: Connection, customers: Iterable[CustomerKey]) -> None:
        """Load the states of the customers that are new to the batch."""
        new = [customer for customer in customers if customer not in self.states]
        with blaming(self.projection):
            rows = table_rows.load_last(connection, self.projection, new)
            self.old.update(rows)
            for customer in new:
                self.states[customer] = self.projection.from_rows(rows.get(customer, []))

    def add_dead_letter(self, position: int, stream_id: int | None, reason: str) -> None:
        """Record an event that the projection cannot fold as a dead letter."""
        self.dead_letters.append(DeadLetter(self.projection.name, position, stream_id, reason))

    def change(self) -> ProjectionChange:
        """Compute the new rows from the states, and return the whole change."""
        to_rows = self.projection.to_rows
        with blaming(self.projection):
            new = {customer: to_rows(state) for customer, state in self.states.items()}
        return ProjectionChange(self.old, new, self.dead_letters, sorted(self.late))


class StreamFacts(NamedTuple):
    """A stream's facts, in canonical order.

    Events without a customer are in no stream: `customer` and `stream_id` are None for them.
    """

    customer: CustomerKey | None
    stream_id: int | None
    facts: Iterable[KeyedFact]


class _PieceFact(NamedTuple):
    """A fact in a piece of the log, with its customer and stream."""

    customer: CustomerKey
    stream_id: int
    late: bool
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
    late event, the customer's whole stream is refolded, up to the end of the batch and no further.
    Returns the position of that end, and the change of each projection.
    """
    batches = [_ProjectionFold(projection) for projection in projections]
    end = min(until, after + events_max)
    last = after
    while last < end and all(len(batch.states) < CUSTOMERS_MAX for batch in batches):
        events = log.read(connection, after=last, until=end, limit=PIECE_EVENTS_MAX)
        _fold_piece(connection, batches, events)
        last = events[-1].position
    _refold_late_streams(connection, batches, last)
    return last, [batch.change() for batch in batches]


def fold_streams(
    projections: Sequence[Projection], events: Iterable[RecordedEvent]
) -> list[ProjectionChange]:
    """Fold whole streams from the initial state.

    `events` comes stream by stream, each stream in canonical order. Events without a stream give no
    rows, but may become dead letters.
    """
    return fold_stream_facts(projections, stream_facts(events))


def fold_stream_facts(
    projections: Sequence[Projection], streams: Iterable[StreamFacts]
) -> list[ProjectionChange]:
    """Fold whole streams of decoded facts from the initial state."""
    batches = [_ProjectionFold(projection) for projection in projections]
    for stream in streams:
        _fold_whole_stream(batches, stream)
    return [batch.change() for batch in batches]


def stream_facts(events: Iterable[RecordedEvent]) -> Iterator[StreamFacts]:
    """Decode events that come stream by stream; consume each stream before taking the next one."""
    for stream_id, stream in groupby(events, key=_stream_id):
        first = next(stream)
        customer_id = first.customer_id
        customer = None if customer_id is None else CustomerKey(first.project_id, customer_id)
        decoded = map(_decode, chain([first], stream))  # noqa: B031 - iterated once
        yield StreamFacts(customer, stream_id, filter(None, decoded))


def _decode(event: RecordedEvent) -> KeyedFact | None:
    """Decode the fact of an event; None if no projection can read it."""
    fact = decode(event)
    return None if fact is None else (event.key, fact, event.position)


def _fold_piece(
    connection: Connection, batches: Sequence[_ProjectionFold], events: Sequence[RecordedEvent]
) -> None:
    """Fold a piece of the log onto the states, except for the streams with a late event."""
    readers = readers_by_class(tuple(batch.projection for batch in batches))
    piece = _decode_piece(events, batches, readers)
    classes = {class_of(each.fact) for each in piece}
    for batch in batches:
        reads = {each for each in classes if batch.projection.evolver_of(each) is not None}
        batch.load(connection, {each.customer for each in piece if class_of(each.fact) in reads})
    for customer, stream_id, late, key, fact, position in piece:
        for index, evolver in readers[class_of(fact)]:
            batch = batches[index]
            if late:
                batch.late[stream_id] = customer
            if stream_id in batch.late:
                continue
            state, reason = apply_fact(batch.projection, evolver, batch.states[customer], fact, key)
            batch.states[customer] = state
            if reason is not None:
                batch.add_dead_letter(position, stream_id, reason)


def _decode_piece(
    events: Iterable[RecordedEvent], batches: Sequence[_ProjectionFold], readers: Readers
) -> list[_PieceFact]:
    """Decode a piece, in the order of the log; events about no customer become dead letters."""
    piece = []
    for event in events:
        keyed = _decode(event)
        if keyed is None:
            continue
        key, fact, position = keyed
        if event.customer_id is not None and event.stream_id is not None:
            customer = CustomerKey(event.project_id, event.customer_id)
            late = event.late
            piece.append(_PieceFact(customer, event.stream_id, late, key, fact, position))
        elif isinstance(fact, UndecodableFact):  # always: such an event has no readable part
            for index, _ in readers[fact.fact_type]:
                batches[index].add_dead_letter(position, None, fact.reason)
    return piece


def _add_failures(
    batches: Sequence[_ProjectionFold], failures: Iterable[Failure], stream_id: int | None
) -> None:
    by_name = {batch.projection.name: batch for batch in batches}
    for projection, position, reason in failures:
        by_name[projection].add_dead_letter(position, stream_id, reason)


def _refold_late_streams(
    connection: Connection, batches: Sequence[_ProjectionFold], last: int
) -> None:
    """Refold the streams with a late event from their first event to the end of the batch."""
    for batch in batches:
        # The refold adds the stream's dead letters again, as far as they still fail.
        batch.dead_letters = [
            each for each in batch.dead_letters if each.stream_id not in batch.late
        ]
        if batch.late and batch.projection.is_history:
            # `load` read only the last row of each series; a refold may change the earlier ones.
            with blaming(batch.projection):
                customers = batch.late.values()
                batch.old.update(table_rows.load(connection, batch.projection, customers))
    stream_ids = sorted(set().union(*(batch.late for batch in batches)))
    if not stream_ids:
        return
    for stream in stream_facts(log.read_streams(connection, stream_ids, until=last)):
        affected = [batch for batch in batches if stream.stream_id in batch.late]
        _fold_whole_stream(affected, stream)


def _fold_whole_stream(batches: Sequence[_ProjectionFold], stream: StreamFacts) -> None:
    """Fold one whole stream from the initial states, and keep the resulting states."""
    projections = [batch.projection for batch in batches]
    initial = [projection.initial for projection in projections]
    states, failures = fold(projections, initial, stream.facts)
    if stream.customer is not None:
        for batch, state in zip(batches, states, strict=True):
            batch.states[stream.customer] = state
    if failures:
        _add_failures(batches, failures, stream.stream_id)
