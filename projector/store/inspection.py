"""What a check of the log asks: how much there is, and what the streams say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from attrs import frozen
from sqlalchemy import Column, Connection, Table, exists, func, select

from projector.envelope import CanonicalKey, CustomerKey
from projector.store.keyed import among
from projector.store.tables import dead_letter, duplicate, event, log_head, stream


class Span(NamedTuple):
    """How many numbers there are, from which to which; all 0 for none."""

    size: int
    first: int
    last: int


@frozen(kw_only=True)
class Counts:
    """What the head says, and what there is."""

    head: int
    last_stream_id: int
    positions: Span
    stream_ids: Span
    #: By table: rows that are about an event which is not there.
    orphans: dict[str, int]


class StreamRow(NamedTuple):
    """Whose stream it is, and its greatest canonical key."""

    customer: CustomerKey
    last: CanonicalKey


def count(connection: Connection) -> Counts:
    """Count the log."""
    head = connection.execute(select(log_head.c.position, log_head.c.stream_id)).one()
    return Counts(
        head=head.position,
        last_stream_id=head.stream_id,
        positions=_span(connection, event.c.position),
        stream_ids=_span(connection, stream.c.stream_id),
        orphans={
            table.name: found
            for table in (dead_letter, duplicate)
            if (found := _orphans(connection, table))
        },
    )


def streams(connection: Connection, stream_ids: Sequence[int]) -> dict[int, StreamRow]:
    """The streams of these ids, as far as they are there."""
    rows = connection.execute(
        select(stream).where(among(connection, stream.c.stream_id, stream_ids))
    )
    return {
        stream_id: StreamRow(CustomerKey(project_id, customer_id), CanonicalKey(*last))
        for stream_id, project_id, customer_id, *last in rows
    }


def _span(connection: Connection, column: Column[int]) -> Span:
    number, first, last = connection.execute(
        select(func.count(), func.min(column), func.max(column)).select_from(column.table)
    ).one()
    return Span(number, first or 0, last or 0)


def _orphans(connection: Connection, table: Table) -> int:
    known = exists().where(event.c.position == table.c.position)
    statement = select(func.count()).select_from(table).where(~known)
    return int(connection.execute(statement).scalar_one())
