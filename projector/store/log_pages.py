"""Reads the end of the log, or any part of it, backwards and without bodies, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, func, select

from projector.store.predicates import in_values
from projector.store.tables import event, stream


@frozen(kw_only=True)
class LogEntry:
    """An event of the log without its body, which may be long."""

    position: int
    project_id: str
    #: Null if the event is about no customer.
    customer_id: str | None
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    #: Whether its customer already had a later event when it was received.
    late: bool
    #: The shape in which it was delivered.
    source: str


_ENTRY = select(
    event.c.position,
    event.c.project_id,
    stream.c.customer_id,
    event.c.event_id,
    event.c.type,
    event.c.occurred_at,
    event.c.received_at,
    event.c.late,
    event.c.source,
).select_from(event.outerjoin(stream, event.c.stream_id == stream.c.stream_id))


def read_backwards(
    connection: Connection, *, type_: str | None, after: int, before: int, limit: int
) -> list[LogEntry]:
    """Return the last events with after < position < before, the newest one first.

    Positions are dense, so that the two bound what is gone through, also for a rare `type_`.
    """
    statement = _ENTRY.where(event.c.position > after, event.c.position < before)
    if type_ is not None:
        statement = statement.where(event.c.type == type_)
    rows = connection.execute(statement.order_by(event.c.position.desc()).limit(limit))
    return [LogEntry(**row._mapping) for row in rows]


def read_at(connection: Connection, positions: Sequence[int]) -> dict[int, LogEntry]:
    """Return the events at some positions, by position."""
    statement = _ENTRY.where(in_values(connection, event.c.position, positions))
    return {row.position: LogEntry(**row._mapping) for row in connection.execute(statement)}


def beginnings(connection: Connection, positions: Sequence[int], *, size: int) -> dict[int, str]:
    """Return the first `size` characters of the bodies at some positions, by position."""
    statement = select(event.c.position, func.substr(event.c.body, 1, size)).where(
        in_values(connection, event.c.position, positions)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}
