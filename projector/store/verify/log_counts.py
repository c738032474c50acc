"""Counts the log and reads its streams, for a verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from attrs import frozen
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    and_,
    cast,
    exists,
    func,
    literal_column,
    select,
)

from projector.envelope import RESERVED_PREFIX, CanonicalKey, CustomerKey
from projector.store.predicates import in_values
from projector.store.tables import (
    dead_letter,
    duplicate,
    erased_stream,
    event,
    leaf,
    log_head,
    stream,
)
from projector.store.types import to_sqlite
from projector.store.verify.raw_rows import raw_column, tolerate_invalid_text


class Span(NamedTuple):
    """The number of values in a column, the least and the greatest; all 0 for none."""

    size: int
    first: int
    last: int


class StrayEvent(NamedTuple):
    """An event whose stream is missing."""

    position: int
    stream_id: int


@frozen(kw_only=True)
class LogCounts:
    """The head of the log, and the counts that must agree with it."""

    #: The last position and the last stream id, according to the head.
    head: int
    last_stream_id: int
    #: The positions and stream ids that exist.
    positions: Span
    stream_ids: Span
    #: The number of rows whose event is missing, by table; only tables that have any.
    orphans: dict[str, int]
    #: The positions that are sealed.
    leaves: Span
    #: The number of events without a customer that are marked late, which is a contradiction.
    late_without_customer: int


class LastKey(NamedTuple):
    """A canonical key in its stored form: the instant as SQLite's text."""

    occurred_at: str | None
    event_id: str

    @classmethod
    def of(cls, key: CanonicalKey) -> LastKey:
        """Return the form in which a key should be stored."""
        return cls(to_sqlite(key.occurred_at), key.event_id)


#: The greatest canonical key of an erased stream, which has no events.
ERASED_KEY = LastKey("1970-01-01T00:00:00.000000Z", "")


class StreamRow(NamedTuple):
    """The customer of a stream, and its greatest canonical key, as stored."""

    customer: CustomerKey
    last: LastKey
    #: Whether the customer is erased, according to the list of erased streams.
    is_erased: bool


def count(connection: Connection) -> LogCounts:
    """Count the events, streams and orphaned rows of the log; reads all of them."""
    head = connection.execute(select(log_head.c.position, log_head.c.stream_id)).first()
    has_same_stream = event.c.stream_id.is_not_distinct_from(dead_letter.c.stream_id)
    orphans = {
        dead_letter.name: _orphans(connection, dead_letter, has_same_stream),
        duplicate.name: _orphans(connection, duplicate),
    }
    late_without_customer = select(func.count()).where(event.c.stream_id.is_(None), event.c.late)
    return LogCounts(
        head=head.position if head else 0,
        last_stream_id=head.stream_id if head else 0,
        positions=span(connection, event.c.position),
        stream_ids=span(connection, stream.c.stream_id),
        orphans={name: number for name, number in orphans.items() if number},
        leaves=span(connection, leaf.c.position),
        late_without_customer=int(connection.execute(late_without_customer).scalar_one()),
    )


def strays(connection: Connection, *, limit: int) -> list[StrayEvent]:
    """Return the first `limit` events whose stream is missing.

    By stream and position, so that the index of streams is enough.
    """
    stream_exists = exists().where(stream.c.stream_id == event.c.stream_id)
    statement = (
        select(event.c.position, event.c.stream_id)
        .where(event.c.stream_id.is_not(None), ~stream_exists)
        .order_by(event.c.stream_id, event.c.position)
        .limit(limit)
    )
    return [StrayEvent(*row) for row in connection.execute(statement)]


def is_erased() -> ColumnElement[bool]:
    """Return the condition of a row of `stream` whose customer is erased, and which says so."""
    return and_(
        exists().where(erased_stream.c.stream_id == stream.c.stream_id),
        stream.c.customer_id
        == literal_column(f"'{RESERVED_PREFIX}'").concat(cast(stream.c.stream_id, Text)),
        stream.c.last_occurred_at == datetime(1970, 1, 1, tzinfo=UTC),
        stream.c.last_event_id == ERASED_KEY.event_id,
        ~exists().where(event.c.stream_id == stream.c.stream_id),
    )


def stream_ids(connection: Connection, *, at_once: int) -> Iterator[list[int]]:
    """Yield the ids of all streams in order, in lists of `at_once` (keyset pagination)."""
    statement = select(stream.c.stream_id).order_by(stream.c.stream_id).limit(at_once)
    ids = list(connection.execute(statement).scalars())
    while ids:
        yield ids
        following = statement.where(stream.c.stream_id > ids[-1])
        ids = list(connection.execute(following).scalars())


def last_stream_id(connection: Connection) -> int:
    """Return the highest id of an existing stream; 0 for none."""
    return connection.execute(select(func.max(stream.c.stream_id))).scalar_one() or 0


def streams(connection: Connection, stream_ids: Sequence[int]) -> dict[int, StreamRow]:
    """Return the streams with these ids, as stored, by id; missing ones are left out."""
    columns = (raw_column(connection, column) for column in stream.columns)
    statement = select(*columns).where(in_values(connection, stream.c.stream_id, stream_ids))
    is_listed = in_values(connection, erased_stream.c.stream_id, stream_ids)
    erased = set(connection.execute(select(erased_stream.c.stream_id).where(is_listed)).scalars())
    with tolerate_invalid_text(connection):
        return {
            stream_id: StreamRow(
                CustomerKey(project_id, customer_id), LastKey(*last), stream_id in erased
            )
            for stream_id, project_id, customer_id, *last in connection.execute(statement)
        }


def span(connection: Connection, column: Column[int]) -> Span:
    """Return the number of values of a column, the least and the greatest; reads all of them."""
    number, first, last = connection.execute(
        select(func.count(), func.min(column), func.max(column)).select_from(column.table)
    ).one()
    return Span(number, first or 0, last or 0)


def _orphans(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    """Count the rows of a table that have no event at their position that meets the conditions."""
    event_exists = exists().where(event.c.position == table.c.position, *conditions)
    statement = select(func.count()).select_from(table).where(~event_exists)
    return int(connection.execute(statement).scalar_one())
