"""One batch of the log, folded: what it changes in the rows of each projection."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from heapq import merge
from itertools import chain, groupby
from operator import attrgetter

from attrs import define, field
from sqlalchemy import Connection

from projector.codec import Undecodable, decode
from projector.envelope import RecordedEvent
from projector.events import FACTS
from projector.fold import KeyedFact, Projection, Row, fold
from projector.store import log, state
from projector.store.dead_letters import DeadLetter
from projector.store.state import CustomerKey, Rows

_stream_id = attrgetter("stream_id")
_key = attrgetter("key")


@define
class Change:
    """What a batch does to one projection."""

    #: The rows of the customers in the batch, as they were and as they will be.
    old: Rows = field(factory=dict)
    new: dict[CustomerKey, list[Row]] = field(factory=dict)
    letters: list[DeadLetter] = field(factory=list)
    #: The streams that were folded from their beginning, because an event came late.
    refolded: list[int] = field(factory=list)


@define
class _CustomerBatch:
    """What a batch holds of one customer: its facts in the order of the log."""

    stream_id: int
    late: bool = False
    facts: list[KeyedFact] = field(factory=list)


@define
class _Work:
    """A projection, its change, and the customers of whom it reads a fact in the batch."""

    projection: Projection
    change: Change = field(factory=Change)
    customers: list[CustomerKey] = field(factory=list)


def fold_batch(
    connection: Connection,
    projections: Sequence[Projection],
    events: Sequence[RecordedEvent],
    *,
    after: int,
) -> list[Change]:
    """Fold the events that follow position `after` into the rows as they are at `after`.

    The facts of a customer without a late event follow on what is in the rows; with one, the
    customer's whole stream is folded anew, up to the end of the batch and no further.
    """
    works = [_Work(projection) for projection in projections]
    customers = _by_customer(events, works)
    readers = {customer: _readers(works, mine) for customer, mine in customers.items()}
    for customer, reading in readers.items():
        for work in reading:
            work.customers.append(customer)
    for work in works:
        work.change.old = state.load(connection, work.projection, work.customers)
    for customer, mine in customers.items():
        if not mine.late:
            _fold_on(readers[customer], customer, mine)
    late = {mine.stream_id: customer for customer, mine in customers.items() if mine.late}
    for stream_id, older in _older(connection, list(late), after):
        customer = late[stream_id]
        _fold_anew(readers[customer], customer, customers[customer], older)
    return [work.change for work in works]


def fold_streams(
    projections: Sequence[Projection], events: Iterable[RecordedEvent]
) -> list[Change]:
    """Fold whole streams from nothing.

    `events` comes stream by stream, each in canonical order; events of no stream give no rows, but
    may be dead letters.
    """
    works = [_Work(projection) for projection in projections]
    for stream_id, grouped in groupby(events, key=_stream_id):
        stream = iter(grouped)
        first = next(stream)
        everything = chain([first], stream)
        if first.customer_id is None:
            deque(map(partial(_decoded, works=works), everything), maxlen=0)
        else:
            customer = CustomerKey(first.project_id, first.customer_id)
            _fold_anew(works, customer, _CustomerBatch(stream_id), everything)
    return [work.change for work in works]


def _by_customer(
    events: Iterable[RecordedEvent], works: Sequence[_Work]
) -> dict[CustomerKey, _CustomerBatch]:
    customers: dict[CustomerKey, _CustomerBatch] = {}
    for event in events:
        fact = _decoded(event, works)
        # The codec gives no fact for an event without a customer.
        if fact is None or event.customer_id is None or event.stream_id is None:
            continue
        customer = CustomerKey(event.project_id, event.customer_id)
        mine = customers.get(customer)
        if mine is None:
            mine = customers[customer] = _CustomerBatch(event.stream_id)
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
                letter = DeadLetter(
                    work.projection.name, event.position, event.stream_id, str(error)
                )
                work.change.letters.append(letter)
        return None
    return None if fact is None else KeyedFact(event.key, fact, event.position)


def _readers(works: Sequence[_Work], mine: _CustomerBatch) -> list[_Work]:
    """The projections that read one of the customer's facts; the others' rows stay as they are."""
    kinds = {type(keyed.fact) for keyed in mine.facts}
    return [work for work in works if not kinds.isdisjoint(work.projection.evolvers)]


def _fold_on(readers: Sequence[_Work], customer: CustomerKey, mine: _CustomerBatch) -> None:
    states = [work.projection.from_rows(work.change.old.get(customer, [])) for work in readers]
    _fold(readers, customer, mine.stream_id, states, mine.facts)


def _fold_anew(
    readers: Sequence[_Work],
    customer: CustomerKey,
    mine: _CustomerBatch,
    older: Iterable[RecordedEvent],
) -> None:
    facts = filter(None, map(partial(_decoded, works=readers), older))
    for work in readers:
        work.change.refolded.append(mine.stream_id)
    states = [work.projection.initial for work in readers]
    in_order = merge(facts, sorted(mine.facts, key=_key), key=_key)
    _fold(readers, customer, mine.stream_id, states, in_order)


def _fold(
    readers: Sequence[_Work],
    customer: CustomerKey,
    stream_id: int,
    states: list[object],
    facts: Iterable[KeyedFact],
) -> None:
    projections = [work.projection for work in readers]
    folded, failures = fold(projections, states, facts)
    for work, result in zip(readers, folded, strict=True):
        work.change.new[customer] = work.projection.to_rows(result)
    by_name = {work.projection.name: work for work in readers}
    for projection, position, reason in failures:
        letter = DeadLetter(projection, position, stream_id, reason)
        by_name[projection].change.letters.append(letter)


def _older(
    connection: Connection, stream_ids: list[int], after: int
) -> Iterator[tuple[int, Iterable[RecordedEvent]]]:
    """Each stream with its events up to a position, also where it has none of them."""
    if not stream_ids:
        return
    unseen = set(stream_ids)
    streams = log.read_streams(connection, stream_ids, until=after)
    for stream_id, events in groupby(streams, key=_stream_id):
        unseen.discard(stream_id)
        yield stream_id, events
    yield from ((stream_id, ()) for stream_id in unseen)
