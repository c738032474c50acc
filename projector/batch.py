"""One batch of the log, folded: what it changes in the rows of each projection.

A batch is read piece by piece and every event is folded at once onto the state of its customer,
which is loaded when it is first needed. What is held in memory are therefore the states of the
customers in the batch, and not its events: these may be many, and the more they are, the fewer
times a customer's rows are loaded and written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain, groupby
from operator import attrgetter

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.codec import Undecodable, decode
from projector.envelope import RecordedEvent
from projector.events import FACTS
from projector.fold import KeyedFact, Projection, Row, State, fold
from projector.store import log, state
from projector.store.dead_letters import DeadLetter
from projector.store.state import CustomerKey, Rows

#: How many events are read in one piece.
PIECE_EVENTS_MAX = 5_000

#: How many customers' states a batch holds, about: it ends with the piece that goes beyond.
CUSTOMERS_MAX = 20_000

_stream_id = attrgetter("stream_id")


@frozen
class Change:
    """What a batch does to one projection."""

    #: The rows of the customers in the batch, as they were and as they will be.
    old: Rows
    new: Rows
    letters: list[DeadLetter]
    #: The streams that were folded from their beginning, because an event came late.
    refolded: list[int]


@define
class _Work:
    """What a batch has done so far for one projection."""

    projection: Projection
    old: dict[CustomerKey, list[Row]] = field(factory=dict)
    states: dict[CustomerKey, State] = field(factory=dict)
    letters: list[DeadLetter] = field(factory=list)
    #: Streams with a late event that the projection reads.
    late: set[int] = field(factory=set)

    def load(self, connection: Connection, customers: Iterable[CustomerKey]) -> None:
        """Take up the states of customers that are new to the batch."""
        unknown = [customer for customer in customers if customer not in self.states]
        found = state.load(connection, self.projection, unknown)
        self.old.update(found)
        for customer in unknown:
            self.states[customer] = self.projection.from_rows(found.get(customer, []))

    def change(self) -> Change:
        """What has come of it."""
        to_rows = self.projection.to_rows
        new = {customer: to_rows(now) for customer, now in self.states.items()}
        return Change(self.old, new, self.letters, sorted(self.late))


@define
class _Arrived:
    """What a piece of the log holds of one customer: its facts in the order of the log."""

    stream_id: int
    late: bool = False
    facts: list[KeyedFact] = field(factory=list)


def fold_batch(
    connection: Connection,
    projections: Sequence[Projection],
    *,
    after: int,
    until: int,
    events_max: int,
) -> tuple[int, list[Change]]:
    """Fold the events that follow position `after` into the rows as they are at `after`.

    The facts of a customer without a late event follow on what is in the rows; with one, the
    customer's whole stream is folded anew, up to the end of the batch and no further. Returns the
    position of that end, and the change of each projection.
    """
    works = [_Work(projection) for projection in projections]
    end = min(until, after + events_max)
    last = after
    while last < end and all(len(work.states) < CUSTOMERS_MAX for work in works):
        events = log.read(connection, after=last, until=end, limit=PIECE_EVENTS_MAX)
        _take(connection, works, events)
        last = events[-1].position
    _fold_late_anew(connection, works, last)
    return last, [work.change() for work in works]


def fold_streams(
    projections: Sequence[Projection], events: Iterable[RecordedEvent]
) -> list[Change]:
    """Fold whole streams from nothing.

    `events` comes stream by stream, each in canonical order; events of no stream give no rows, but
    may be dead letters.
    """
    works = [_Work(projection) for projection in projections]
    for _, stream in groupby(events, key=_stream_id):
        _fold_anew(works, stream)
    return [work.change() for work in works]


def _take(connection: Connection, works: Sequence[_Work], events: Sequence[RecordedEvent]) -> None:
    """Fold a piece of the log onto the states, but for the streams with a late event."""
    arrived = _by_customer(events, works)
    readers = {customer: _readers(works, mine) for customer, mine in arrived.items()}
    for work in works:
        work.load(connection, [each for each, reading in readers.items() if work in reading])
    for customer, mine in arrived.items():
        for work in readers[customer]:
            if mine.late:
                work.late.add(mine.stream_id)
        in_order = [work for work in readers[customer] if mine.stream_id not in work.late]
        _fold(in_order, customer, mine.stream_id, mine.facts)


def _by_customer(
    events: Iterable[RecordedEvent], works: Sequence[_Work]
) -> dict[CustomerKey, _Arrived]:
    customers: dict[CustomerKey, _Arrived] = {}
    for event in events:
        fact = _decoded(event, works)
        # The codec gives no fact for an event without a customer.
        if fact is None or event.customer_id is None or event.stream_id is None:
            continue
        customer = CustomerKey(event.project_id, event.customer_id)
        mine = customers.get(customer)
        if mine is None:
            mine = customers[customer] = _Arrived(event.stream_id)
        mine.facts.append(fact)
        mine.late |= event.late
    return customers


def _decoded(event: RecordedEvent, works: Sequence[_Work]) -> KeyedFact | None:
    """The fact of an event; none for what nobody reads, and a dead letter for what nobody can."""
    try:
        fact = decode(event)
    except Undecodable as error:
        for work in works:
            if FACTS[event.type] in work.projection.evolvers:
                name = work.projection.name
                work.letters.append(DeadLetter(name, event.position, event.stream_id, str(error)))
        return None
    return None if fact is None else KeyedFact(event.key, fact, event.position)


def _readers(works: Sequence[_Work], mine: _Arrived) -> list[_Work]:
    """The projections that read one of the customer's facts; the others' rows stay as they are."""
    kinds = {type(keyed.fact) for keyed in mine.facts}
    return [work for work in works if not kinds.isdisjoint(work.projection.evolvers)]


def _fold_late_anew(connection: Connection, works: Sequence[_Work], last: int) -> None:
    """Fold the streams with a late event from their beginning, up to the end of the batch."""
    for work in works:
        # They are found again, those that are left of them.
        work.letters = [each for each in work.letters if each.stream_id not in work.late]
    stream_ids = sorted(set().union(*(work.late for work in works)))
    if not stream_ids:
        return
    events = log.read_streams(connection, stream_ids, until=last)
    for stream_id, stream in groupby(events, key=_stream_id):
        _fold_anew([work for work in works if stream_id in work.late], stream)


def _fold_anew(works: Sequence[_Work], events: Iterable[RecordedEvent]) -> None:
    """Fold one whole stream."""
    stream = iter(events)
    first = next(stream)
    facts = filter(None, map(partial(_decoded, works=works), chain([first], stream)))
    if first.customer_id is None or first.stream_id is None:
        deque(facts, maxlen=0)
        return
    customer = CustomerKey(first.project_id, first.customer_id)
    for work in works:
        work.states[customer] = work.projection.initial
    _fold(works, customer, first.stream_id, facts)


def _fold(
    works: Sequence[_Work], customer: CustomerKey, stream_id: int, facts: Iterable[KeyedFact]
) -> None:
    """Fold facts in their order onto the states of their customer."""
    projections = [work.projection for work in works]
    states, failures = fold(projections, [work.states[customer] for work in works], facts)
    for work, now in zip(works, states, strict=True):
        work.states[customer] = now
    if failures:
        by_name = {work.projection.name: work for work in works}
        for projection, position, reason in failures:
            letter = DeadLetter(projection, position, stream_id, reason)
            by_name[projection].letters.append(letter)
