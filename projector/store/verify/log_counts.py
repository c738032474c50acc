"""What a check of the log asks: how much there is, and what the streams say of themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from attrs import frozen
from sqlalchemy import Column, ColumnElement, Connection, Table, exists, func, select

from projector.envelope import CanonicalKey, CustomerKey
from projector.store.predicates import in_values
from projector.store.tables import dead_letter, duplicate, event, log_head, stream
from projector.store.types import to_sqlite
from projector.store.verify.raw_rows import raw_column, tolerate_invalid_text


class Span(NamedTuple):
    """How many numbers there are, from which to which; all 0 for none."""

    size: int
    first: int
    last: int


class StrayEvent(NamedTuple):
    """An event whose stream is not there."""

    position: int
    stream_id: int


@frozen(kw_only=True)
class LogCounts:
    """What the head says, and what there is."""

    head: int
    last_stream_id: int
    positions: Span
    stream_ids: Span
    #: By table: rows that are about an event which is not there.
    orphans: dict[str, int]
    #: Events that name no customer and are marked late nevertheless.
    late_of_nobody: int


class LastKey(NamedTuple):
    """A canonical key as it is stored, an instant as SQLite has it."""

    occurred_at: str | None
    event_id: str

    @classmethod
    def of(cls, key: CanonicalKey) -> LastKey:
        """The key as it should be stored."""
        return cls(to_sqlite(key.occurred_at), key.event_id)


class StreamRow(NamedTuple):
    """Whose stream it is, and its greatest canonical key."""

    customer: CustomerKey
    last: LastKey


def count(connection: Connection) -> LogCounts:
    """Count the log."""
    head = connection.execute(select(log_head.c.position, log_head.c.stream_id)).one()
    of_its_stream = event.c.stream_id.is_not_distinct_from(dead_letter.c.stream_id)
    orphans = {
        dead_letter.name: _orphans(connection, dead_letter, of_its_stream),
        duplicate.name: _orphans(connection, duplicate),
    }
    late_of_nobody = select(func.count()).where(event.c.stream_id.is_(None), event.c.late)
    return LogCounts(
        head=head.position,
        last_stream_id=head.stream_id,
        positions=_span(connection, event.c.position),
        stream_ids=_span(connection, stream.c.stream_id),
        orphans={name: number for name, number in orphans.items() if number},
        late_of_nobody=int(connection.execute(late_of_nobody).scalar_one()),
    )


def strays(connection: Connection, *, limit: int) -> list[StrayEvent]:
    """Events that are in a stream which is not there, by the stream: so an index is enough."""
    known = exists().where(stream.c.stream_id == event.c.stream_id)
    statement = (
        select(event.c.position, event.c.stream_id)
        .where(event.c.stream_id.is_not(None), ~known)
        .order_by(event.c.stream_id, event.c.position)
        .limit(limit)
    )
    return [StrayEvent(*row) for row in connection.execute(statement)]


def stream_ids(connection: Connection, *, at_once: int) -> Iterator[list[int]]:
    """The ids of all streams that are there, in order, so many at once."""
    statement = select(stream.c.stream_id).order_by(stream.c.stream_id).limit(at_once)
    found = list(connection.execute(statement).scalars())
    while found:
        yield found
        following = statement.where(stream.c.stream_id > found[-1])
        found = list(connection.execute(following).scalars())


def last_stream_id(connection: Connection) -> int:
    """The highest id that a stream has; 0 for none."""
    return connection.execute(select(func.max(stream.c.stream_id))).scalar_one() or 0


def streams(connection: Connection, stream_ids: Sequence[int]) -> dict[int, StreamRow]:
    """The streams of these ids, as far as they are there."""
    columns = (raw_column(connection, column) for column in stream.columns)
    statement = select(*columns).where(in_values(connection, stream.c.stream_id, stream_ids))
    with tolerate_invalid_text(connection):
        return {
            stream_id: StreamRow(CustomerKey(project_id, customer_id), LastKey(*last))
            for stream_id, project_id, customer_id, *last in connection.execute(statement)
        }


def _span(connection: Connection, column: Column[int]) -> Span:
    number, first, last = connection.execute(
        select(func.count(), func.min(column), func.max(column)).select_from(column.table)
    ).one()
    return Span(number, first or 0, last or 0)


def _orphans(connection: Connection, table: Table, *alike: ColumnElement[bool]) -> int:
    known = exists().where(event.c.position == table.c.position, *alike)
    statement = select(func.count()).select_from(table).where(~known)
    return int(connection.execute(statement).scalar_one())
