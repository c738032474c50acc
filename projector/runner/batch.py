"""Folds one batch of the log into the changed rows of each projection.

A batch is read in pieces, and every event is folded at once onto the state of its customer, which
is loaded when it is first needed. Memory therefore holds the states of the customers in the batch,
and not its events. So a batch may have many events; the more it has, the less often a customer's
rows are loaded and written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.events import DecodedFact, UndecodableFact
from projector.projections.projection import (
    Projection,
    Readers,
    apply_fact,
    class_of,
    readers_by_class,
)
from projector.projections.snapshots import is_due
from projector.runner import late
from projector.runner.late import fold_whole_stream
from projector.runner.projection_fold import ProjectionChange, ProjectionFold
from projector.runner.stream_facts import StreamFacts, decode_event, stream_facts
from projector.store import log
from projector.store.table_rows import Rows

#: The number of events that are read in one piece.
PIECE_EVENTS_MAX = 5_000

#: The approximate number of customer states in a batch, which ends with the piece that exceeds it.
CUSTOMERS_MAX = 20_000


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
    batches = [ProjectionFold(projection) for projection in projections]
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
    batches = [ProjectionFold(projection) for projection in projections]
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
    batches = [ProjectionFold(projection) for projection in projections]
    for stream in streams:
        fold_whole_stream(batches, stream, takes_snapshots=takes_snapshots)
    return [batch.change() for batch in batches]


def _fold_piece(
    connection: Connection, batches: Sequence[ProjectionFold], events: Sequence[RecordedEvent]
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
    batches: Sequence[ProjectionFold], readers: Readers, piece: Sequence[_PieceFact]
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
    events: Iterable[RecordedEvent], batches: Sequence[ProjectionFold], readers: Readers
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
