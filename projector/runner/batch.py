"""One batch of the log, folded: what it changes in the rows of each projection.

A batch is read piece by piece and every event is folded at once onto the state of its customer,
which is loaded when it is first needed. What is held in memory are therefore the states of the
customers in the batch, and not its events: these may be many, and the more they are, the fewer
times a customer's rows are loaded and written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.codec import Undecodable, decode
from projector.facts.events import CustomerFact
from projector.facts.registry import facts
from projector.projections.projection import (
    Failure,
    KeyedFact,
    Projection,
    Row,
    State,
    UndecodableFact,
    apply_fact,
    evolvers_by_fact,
    fold,
    undecodable_failures,
)
from projector.runner.isolation import blaming
from projector.store import log, table_rows
from projector.store.dead_letters import DeadLetter
from projector.store.table_rows import Rows

#: How many events are read in one piece.
PIECE_EVENTS_MAX = 5_000

#: How many customers' states a batch holds, about: it ends with the piece that goes beyond.
CUSTOMERS_MAX = 5_000

_stream_id = attrgetter("stream_id")


@frozen
class ProjectionChange:
    """What a batch does to one projection."""

    #: The rows of the customers in the batch, as they were and as they will be.
    old: Rows
    new: Rows
    dead_letters: list[DeadLetter]
    #: The streams that were folded from their beginning, because an event came late.
    refolded: list[int]


@define
class _ProjectionBatch:
    """What a batch has done so far for one projection."""

    projection: Projection
    old: dict[CustomerKey, list[Row]] = field(factory=dict)
    states: dict[CustomerKey, State] = field(factory=dict)
    dead_letters: list[DeadLetter] = field(factory=list)
    #: Whose streams have a late event that the projection reads.
    late: dict[int, CustomerKey] = field(factory=dict)

    def load(self, connection: Connection, customers: Iterable[CustomerKey]) -> None:
        """Take up the states of customers that are new to the batch."""
        unknown = [customer for customer in customers if customer not in self.states]
        with blaming(self.projection):
            found = table_rows.load_last(connection, self.projection, unknown)
            self.old.update(found)
            for customer in unknown:
                self.states[customer] = self.projection.from_rows(found.get(customer, []))

    def refuse(self, position: int, stream_id: int | None, reason: str) -> None:
        """Put an event aside."""
        self.dead_letters.append(DeadLetter(self.projection.name, position, stream_id, reason))

    def change(self) -> ProjectionChange:
        """What has come of it."""
        to_rows = self.projection.to_rows
        with blaming(self.projection):
            new = {customer: to_rows(now) for customer, now in self.states.items()}
        return ProjectionChange(self.old, new, self.dead_letters, sorted(self.late))


class StreamFacts(NamedTuple):
    """A stream: its facts in canonical order.

    Events that name no customer are in no stream: theirs has neither.
    """

    customer: CustomerKey | None
    stream_id: int | None
    facts: Iterable[KeyedFact]


class _PieceFact(NamedTuple):
    """A fact in a piece of the log, and whose it is."""

    customer: CustomerKey
    stream_id: int
    late: bool
    key: CanonicalKey
    fact: CustomerFact
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

    The facts of a customer without a late event follow on what is in the rows; with one, the
    customer's whole stream is folded anew, up to the end of the batch and no further. Returns the
    position of that end, and the change of each projection.
    """
    works = [_ProjectionBatch(projection) for projection in projections]
    end = min(until, after + events_max)
    last = after
    while last < end and all(len(work.states) < CUSTOMERS_MAX for work in works):
        events = log.read(connection, after=last, until=end, limit=PIECE_EVENTS_MAX)
        _fold_in(connection, works, events)
        last = events[-1].position
    _refold_late_streams(connection, works, last)
    return last, [work.change() for work in works]


def fold_streams(
    projections: Sequence[Projection], events: Iterable[RecordedEvent]
) -> list[ProjectionChange]:
    """Fold whole streams from nothing.

    `events` comes stream by stream, each in canonical order; events of no stream give no rows, but
    may be dead letters.
    """
    return fold_stream_facts(projections, stream_facts(events))


def fold_stream_facts(
    projections: Sequence[Projection], streams: Iterable[StreamFacts]
) -> list[ProjectionChange]:
    """Fold whole streams, decoded already, from nothing."""
    works = [_ProjectionBatch(projection) for projection in projections]
    for story in streams:
        _fold_whole_stream(works, story)
    return [work.change() for work in works]


def stream_facts(events: Iterable[RecordedEvent]) -> Iterator[StreamFacts]:
    """Events, which come stream by stream, as stories; read each before the next one."""
    for stream_id, stream in groupby(events, key=_stream_id):
        first = next(stream)
        customer_id = first.customer_id
        customer = None if customer_id is None else CustomerKey(first.project_id, customer_id)
        facts = map(_decode, chain([first], stream))  # noqa: B031 - once, in two parts
        yield StreamFacts(customer, stream_id, filter(None, facts))


def _decode(event: RecordedEvent) -> KeyedFact | None:
    """The fact of an event; None for one of a type that nobody reads."""
    try:
        fact = decode(event)
    except Undecodable as error:
        return (event.key, UndecodableFact(facts()[event.type], str(error)), event.position)
    return None if fact is None else (event.key, fact, event.position)


def _fold_in(
    connection: Connection, works: Sequence[_ProjectionBatch], events: Sequence[RecordedEvent]
) -> None:
    """Fold a piece of the log onto the states, but for the streams with a late event."""
    arrived = _decode_piece(events, works)
    for work in works:
        reads = work.projection.evolvers
        work.load(connection, {each.customer for each in arrived if type(each.fact) in reads})
    readers = evolvers_by_fact(tuple(work.projection for work in works))
    for customer, stream_id, late, key, fact, position in arrived:
        for index, evolver in readers.get(type(fact), ()):
            work = works[index]
            if late:
                work.late[stream_id] = customer
            if stream_id in work.late:
                continue
            state, reason = apply_fact(evolver, work.states[customer], fact, key)
            work.states[customer] = state
            if reason is not None:
                work.refuse(position, stream_id, reason)


def _decode_piece(
    events: Iterable[RecordedEvent], works: Sequence[_ProjectionBatch]
) -> list[_PieceFact]:
    """The facts of a piece, in the order of the log."""
    arrived = []
    for event in events:
        keyed = _decode(event)
        if keyed is None:
            continue
        key, fact, position = keyed
        if isinstance(fact, UndecodableFact):
            failures = undecodable_failures([work.projection for work in works], fact, position)
            _add_failures(works, failures, event.stream_id)
        # The codec gives no fact for an event without a customer.
        elif event.customer_id is not None and event.stream_id is not None:
            customer = CustomerKey(event.project_id, event.customer_id)
            late = event.late
            arrived.append(_PieceFact(customer, event.stream_id, late, key, fact, position))
    return arrived


def _add_failures(
    works: Sequence[_ProjectionBatch], failures: Iterable[Failure], stream_id: int | None
) -> None:
    by_name = {work.projection.name: work for work in works}
    for projection, position, reason in failures:
        by_name[projection].refuse(position, stream_id, reason)


def _refold_late_streams(
    connection: Connection, works: Sequence[_ProjectionBatch], last: int
) -> None:
    """Fold the streams with a late event from their beginning, up to the end of the batch."""
    for work in works:
        # They are found again, those that are left of them.
        work.dead_letters = [each for each in work.dead_letters if each.stream_id not in work.late]
        if work.late and work.projection.is_history:
            with blaming(work.projection):
                work.old.update(table_rows.load(connection, work.projection, work.late.values()))
    stream_ids = sorted(set().union(*(work.late for work in works)))
    if not stream_ids:
        return
    for story in stream_facts(log.read_streams(connection, stream_ids, until=last)):
        _fold_whole_stream([work for work in works if story.stream_id in work.late], story)


def _fold_whole_stream(works: Sequence[_ProjectionBatch], story: StreamFacts) -> None:
    """Fold one whole stream."""
    projections = [work.projection for work in works]
    initial = [projection.initial for projection in projections]
    states, failures = fold(projections, initial, story.facts)
    if story.customer is not None:
        for work, now in zip(works, states, strict=True):
            work.states[story.customer] = now
    if failures:
        _add_failures(works, failures, story.stream_id)
