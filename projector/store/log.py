"""The event log, read side: events by position, by stream and by identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from projector.envelope import CustomerKey, RecordedEvent
from projector.store.predicates import array_parameter, in_array, in_values
from projector.store.tables import event, log_head, stream

#: How many bytes of bodies one read holds in memory, about.
READ_BYTES_MAX = 32 * 1024 * 1024

_EVENT = select(
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
    _EVENT.where(event.c.position > bindparam("after"), event.c.position <= bindparam("until"))
    .order_by(event.c.position)
    .limit(bindparam("limit"))
    .execution_options(yield_per=1000)
)

_SCAN = (
    "SELECT position, stream_id, occurred_at, event_id, type, source, body FROM event"
    " WHERE position > {0} AND position <= {0} ORDER BY position"
)

#: How many rows a scan of Postgres asks for at once.
SCAN_ROWS = 1_000

#: Position, stream, occurred_at (an instant as the driver gives it, so text from SQLite), event_id,
#: type, source and body of an event.
ScanRow = tuple[int, int | None, Any, str, str, str, str]

#: A position that no index knows. Postgres would look up all positions up to a bound, which are
#: nearly all there are, only to throw away those that are not in a few streams.
_position = event.c.position + 0

#: How many events of a customer are read without a cursor, which takes several round trips.
AT_ONCE_MAX = 1000

_OF_CUSTOMER = _EVENT.where(
    stream.c.project_id == bindparam("project_id"),
    stream.c.customer_id == bindparam("customer_id"),
    _position <= bindparam("until"),
).order_by(event.c.occurred_at, event.c.event_id)
_OF_CUSTOMER_THEN = _OF_CUSTOMER.where(event.c.occurred_at <= bindparam("as_of"))


def head(connection: Connection, *, lock: bool = False) -> int:
    """The position of the last event; 0 for an empty log. With the lock it stays that."""
    statement = select(log_head.c.position)
    return int(connection.execute(statement.with_for_update() if lock else statement).scalar_one())


def read(
    connection: Connection, *, after: int, until: int, limit: int, bytes_max: int = READ_BYTES_MAX
) -> list[RecordedEvent]:
    """The events of positions after < position <= until, in order.

    At the most `limit` events, and no more than fill `bytes_max`; but one at the least.
    """
    bounds = {"after": after, "until": until, "limit": limit}
    with connection.execute(_READ, bounds) as rows:
        return _take_up_to(rows, bytes_max)


def read_at(connection: Connection, positions: Sequence[int]) -> list[RecordedEvent]:
    """The events at some positions, as far as they are there, in order."""
    statement = _EVENT.where(in_values(connection, event.c.position, positions))
    return [_to_event(row) for row in connection.execute(statement.order_by(event.c.position))]


def last_received_by_type(connection: Connection, *, after: int) -> dict[str, datetime]:
    """When the last event of each type came, of those behind a position."""
    statement = (
        select(event.c.type, func.max(event.c.received_at))
        .where(event.c.position > after)
        .group_by(event.c.type)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def read_streams(
    connection: Connection,
    stream_ids: Sequence[int],
    *,
    until: int,
) -> Iterator[RecordedEvent]:
    """The events of streams up to a position: stream by stream, each in canonical order."""
    statement = _EVENT.where(in_values(connection, event.c.stream_id, stream_ids))
    return _in_canonical_order(connection, statement, until)


def read_customer(
    connection: Connection, customer: CustomerKey, *, until: int, as_of: datetime | None
) -> Iterator[RecordedEvent]:
    """A customer's events up to a position, in canonical order; with `as_of` those up to then.

    Few customers have more events than come at once; for these a cursor is opened.
    """
    bounds = {**customer._asdict(), "until": until, "as_of": as_of}
    statement = _OF_CUSTOMER if as_of is None else _OF_CUSTOMER_THEN
    first = connection.execute(statement.limit(AT_ONCE_MAX + 1), bounds).all()
    if len(first) <= AT_ONCE_MAX:
        yield from map(_to_event, first)
        return
    with connection.execute(statement.execution_options(yield_per=AT_ONCE_MAX), bounds) as rows:
        yield from map(_to_event, rows)


def has_more_events(connection: Connection, customer: CustomerKey, events: int) -> bool:
    """Whether a customer has more events than so many."""
    of_one = select(event.c.position).join(stream, event.c.stream_id == stream.c.stream_id)
    beyond = of_one.where(
        stream.c.project_id == customer.project_id, stream.c.customer_id == customer.customer_id
    )
    return connection.execute(beyond.limit(1).offset(events)).first() is not None


def has_event_between(connection: Connection, stream_id: int, *, after: int, until: int) -> bool:
    """Whether a stream has an event of a position after < position <= until."""
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
    """A customer's events behind a position, in the order of their positions.

    At the most `limit` of them, and no more than fill `bytes_max`; but one at the least.
    """
    bounds = {**customer._asdict(), "after": after, "limit": limit}
    with connection.execute(_select_customer_page(connection.dialect.name), bounds) as rows:
        return _take_up_to(rows, bytes_max)


@cache
def _select_customer_page(dialect: str) -> Select[Any]:
    # SQLite's index by stream has the positions in their order; Postgres sorts those of the stream.
    position = event.c.position if dialect == "sqlite" else _position
    return (
        _EVENT.where(
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
    """The events of some types that name no customer, up to a position."""
    statement = _EVENT.where(event.c.stream_id.is_(None), event.c.type.in_(sorted(types)))
    return _in_canonical_order(connection, statement, until)


def scan(connection: Connection, *, after: int, until: int) -> Iterator[ScanRow]:
    """What a fold needs of the events of positions after < position <= until, in order.

    Whose streams they are is not told; that is asked once a stream. Rows come from the driver as
    they are, past SQLAlchemy's work for each, which would take as long as the reading.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        yield from driver.execute(_SCAN.format("?"), (after, until))
        return
    # Of the server's, and with a name for that: else all rows would come at once.
    with driver.cursor("scan") as cursor:
        cursor.itersize = SCAN_ROWS
        yield from cursor.execute(_SCAN.format("%s"), (after, until))


def last_stream_id(connection: Connection) -> int:
    """The highest stream id given out; 0 for none."""
    return int(connection.execute(select(log_head.c.stream_id)).scalar_one())


def _in_canonical_order(
    connection: Connection, statement: Select[Any], until: int
) -> Iterator[RecordedEvent]:
    """Sorted by the database, so that a long stream is never held in memory."""
    ordered = statement.where(_position <= until).order_by(
        event.c.stream_id, event.c.occurred_at, event.c.event_id
    )
    with connection.execute(ordered.execution_options(yield_per=1000)) as rows:
        yield from map(_to_event, rows)


def find_by_ids(
    connection: Connection, event_ids: Mapping[str, Iterable[str]]
) -> dict[tuple[str, str], RecordedEvent]:
    """The events of these ids, given by project, as far as they are in the log."""
    found = {}
    statement = _select_by_ids(connection.dialect.name)
    for project_id, ids in event_ids.items():
        asked = {"project_id": project_id, "event_ids": array_parameter(connection, list(ids))}
        for row in connection.execute(statement, asked):
            found[project_id, row.event_id] = _to_event(row)
    return found


@cache
def _select_by_ids(dialect: str) -> Select[Any]:
    return _EVENT.where(
        event.c.project_id == bindparam("project_id"),
        in_array(dialect, event.c.event_id, "event_ids"),
    )


def _take_up_to(rows: Iterable[Any], bytes_max: int) -> list[RecordedEvent]:
    """The events of rows, until their bodies fill so many bytes; one at the least."""
    events: list[RecordedEvent] = []
    size = 0
    for row in rows:
        events.append(_to_event(row))
        size += len(row.body)
        if size >= bytes_max:
            break
    return events


def _to_event(row: Any) -> RecordedEvent:
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
