"""Reads the event log: events by position, by stream, by customer and by identity."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from projector.envelope import CustomerKey, RecordedEvent
from projector.store import log_head
from projector.store.driver_rows import stream_range
from projector.store.predicates import array_parameter, in_array, in_values
from projector.store.tables import event, stream

#: The size of the bodies that one read holds in memory, in bytes (roughly).
READ_BYTES_MAX = 32 * 1024 * 1024

#: Selects events, as rows for `to_event`.
EVENT = select(
    event.c.project_id,
    event.c.event_id,
    event.c.type,
    stream.c.customer_id,
    event.c.occurred_at,
    event.c.source,
    event.c.body,
    event.c.position,
    event.c.stream_id,
    event.c.received_at,
    event.c.late,
).select_from(event.outerjoin(stream, event.c.stream_id == stream.c.stream_id))

_READ = (
    EVENT.where(event.c.position > bindparam("after"), event.c.position <= bindparam("until"))
    .order_by(event.c.position)
    .limit(bindparam("limit"))
    .execution_options(yield_per=1000)
)

_RECEIVED_AT = select(event.c.received_at).where(event.c.position == bindparam("position"))

_SCAN = (
    "SELECT position, stream_id, occurred_at, event_id, type, source, body FROM event"
    " WHERE position > {0} AND position <= {0} ORDER BY position"
)

#: The row of a scan: position, stream_id, occurred_at (as the driver returns it, so text on
#: SQLite), event_id, type, source, body.
ScanRow = tuple[int, int | None, Any, str, str, str, str]

#: The position as an expression, which no index matches. By the index of positions, Postgres would
#: look up every position up to a bound, which is nearly the whole log, only to discard the events
#: of all but a few streams.
_position = event.c.position + 0

#: The number of a customer's events that are read without a cursor, which takes several round
#: trips.
AT_ONCE_MAX = 1000

_OF_CUSTOMER = EVENT.where(
    stream.c.project_id == bindparam("project_id"),
    stream.c.customer_id == bindparam("customer_id"),
    _position <= bindparam("until"),
).order_by(event.c.occurred_at, event.c.event_id)
_OF_CUSTOMER_AS_OF = _OF_CUSTOMER.where(event.c.occurred_at <= bindparam("as_of"))


def head(connection: Connection, *, lock: bool = False) -> int:
    """Return the position of the last event; 0 for an empty log.

    With `lock`, no event can be appended until the transaction ends. Raises LogHeadBehind if its
    row is missing, and with `lock` if the log goes on behind it.
    """
    if not lock:
        return log_head.read(connection).position
    return log_head.lock(connection).position


def read(
    connection: Connection, *, after: int, until: int, limit: int, bytes_max: int = READ_BYTES_MAX
) -> list[RecordedEvent]:
    """Return the events with after < position <= until, by position.

    Returns at most `limit` events and stops once their bodies reach `bytes_max` bytes, so that it
    returns at least one event if there is any.
    """
    params = {"after": after, "until": until, "limit": limit}
    with connection.execute(_READ, params) as rows:
        return _take_up_to(rows, bytes_max)


def read_at(connection: Connection, positions: Sequence[int]) -> list[RecordedEvent]:
    """Return the events at some positions, by position; missing ones are left out."""
    statement = EVENT.where(in_values(connection, event.c.position, positions))
    return [to_event(row) for row in connection.execute(statement.order_by(event.c.position))]


def received_at(connection: Connection, position: int) -> datetime | None:
    """Return when the event at a position was received; None if there is none."""
    found: datetime | None = connection.execute(_RECEIVED_AT, {"position": position}).scalar()
    return found


def last_received_by_type(connection: Connection, *, after: int) -> dict[str, datetime]:
    """Return the newest `received_at` of each event type, among the events after a position.

    Without markers of erased events, and events of the program's own, which nobody has sent.
    """
    statement = (
        select(event.c.type, func.max(event.c.received_at))
        .where(event.c.position > after, event.c.source.not_in(("erased", "projector")))
        .group_by(event.c.type)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def read_streams(
    connection: Connection,
    stream_ids: Sequence[int],
    *,
    until: int,
) -> Iterator[RecordedEvent]:
    """Yield the events of some streams up to a position: by stream, each in canonical order."""
    statement = EVENT.where(in_values(connection, event.c.stream_id, stream_ids))
    return _in_canonical_order(connection, statement, until)


def read_customer(
    connection: Connection, customer: CustomerKey, *, until: int, as_of: datetime | None
) -> Iterator[RecordedEvent]:
    """Yield a customer's events up to a position, in canonical order.

    With `as_of`, only those that occurred up to then. Few customers have more than AT_ONCE_MAX
    events; only for these a cursor is opened.
    """
    params = {**customer._asdict(), "until": until, "as_of": as_of}
    statement = _OF_CUSTOMER if as_of is None else _OF_CUSTOMER_AS_OF
    first = connection.execute(statement.limit(AT_ONCE_MAX + 1), params).all()
    if len(first) <= AT_ONCE_MAX:
        yield from map(to_event, first)
        return
    with connection.execute(statement.execution_options(yield_per=AT_ONCE_MAX), params) as rows:
        yield from map(to_event, rows)


def has_event_between(connection: Connection, stream_id: int, *, after: int, until: int) -> bool:
    """Return whether a stream has an event with after < position <= until."""
    statement = select(event.c.position).where(
        event.c.stream_id == stream_id, _position > after, _position <= until
    )
    return connection.execute(statement.limit(1)).first() is not None


def read_customer_page(
    connection: Connection,
    customer: CustomerKey,
    *,
    after: int,
    limit: int,
    bytes_max: int = READ_BYTES_MAX,
) -> list[RecordedEvent]:
    """Return a page of a customer's events after a position, by position (keyset pagination).

    Returns at most `limit` events and stops once their bodies reach `bytes_max` bytes, so that it
    returns at least one event if there is any.
    """
    params = {**customer._asdict(), "after": after, "limit": limit}
    with connection.execute(_select_customer_page(connection.dialect.name), params) as rows:
        return _take_up_to(rows, bytes_max)


@cache
def _select_customer_page(dialect: str) -> Select[Any]:
    # SQLite's index of streams contains the positions in order; Postgres sorts those of a stream.
    position = event.c.position if dialect == "sqlite" else _position
    return (
        EVENT.where(
            stream.c.project_id == bindparam("project_id"),
            stream.c.customer_id == bindparam("customer_id"),
            position > bindparam("after"),
        )
        .order_by(position)
        .limit(bindparam("limit"))
        .execution_options(yield_per=100)
    )


def read_without_customer(
    connection: Connection, types: Iterable[str], *, until: int
) -> Iterator[RecordedEvent]:
    """Yield the events without a customer, of some types, up to a position, in canonical order."""
    statement = EVENT.where(event.c.stream_id.is_(None), event.c.type.in_(sorted(types)))
    return _in_canonical_order(connection, statement, until)


def scan(connection: Connection, *, after: int, until: int) -> Generator[ScanRow]:
    """Yield the events with after < position <= until, by position, as rows for a fold.

    They lack the customer, which the caller looks up once for each stream. On Postgres, to close
    the generator before its end is to cancel the statement, with its transaction.
    """
    yield from stream_range(connection, _SCAN, after=after, until=until)


def last_stream_id(connection: Connection) -> int:
    """Return the highest stream id that was assigned; 0 for none."""
    return log_head.read(connection).stream_id


def _in_canonical_order(
    connection: Connection, statement: Select[Any], until: int
) -> Iterator[RecordedEvent]:
    """Yield the events of a statement by stream, each in canonical order.

    The database sorts them and a cursor fetches them, so that a long stream is never in memory.
    """
    ordered = statement.where(_position <= until).order_by(
        event.c.stream_id, event.c.occurred_at, event.c.event_id
    )
    with connection.execute(ordered.execution_options(yield_per=1000)) as rows:
        yield from map(to_event, rows)


def find_by_ids(
    connection: Connection, event_ids: Mapping[str, Iterable[str]]
) -> dict[tuple[str, str], RecordedEvent]:
    """Return the events with these ids, by (project_id, event_id); missing ones are left out.

    `event_ids` has the ids by project.
    """
    events = {}
    statement = _select_by_ids(connection.dialect.name)
    for project_id, ids in event_ids.items():
        params = {"project_id": project_id, "event_ids": array_parameter(connection, list(ids))}
        for row in connection.execute(statement, params):
            events[project_id, row.event_id] = to_event(row)
    return events


@cache
def _select_by_ids(dialect: str) -> Select[Any]:
    return EVENT.where(
        event.c.project_id == bindparam("project_id"),
        in_array(dialect, event.c.event_id, "event_ids"),
    )


def _take_up_to(rows: Iterable[Any], bytes_max: int) -> list[RecordedEvent]:
    """Return the events of rows, up to the one with which the bodies reach `bytes_max` bytes."""
    events: list[RecordedEvent] = []
    size = 0
    for row in rows:
        events.append(to_event(row))
        size += len(row.body)
        if size >= bytes_max:
            break
    return events


def to_event(row: Any) -> RecordedEvent:
    """Convert a row of `EVENT`."""
    (
        project_id, event_id, type_, customer_id, occurred_at, source, body,
        position, stream_id, received_at, late,
    ) = row  # fmt: skip
    return RecordedEvent(
        project_id=project_id,
        event_id=event_id,
        type=type_,
        customer_id=customer_id,
        occurred_at=occurred_at,
        source=source,
        body=body,
        position=position,
        stream_id=stream_id,
        received_at=received_at,
        late=late,
    )
