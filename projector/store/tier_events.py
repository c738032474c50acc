"""Reads the events about tiers at the end of the log."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from projector.envelope import RecordedEvent
from projector.store.log import EVENT, to_event
from projector.store.tables import event


def last(
    connection: Connection, types: Iterable[str], *, after: int, limit: int
) -> list[RecordedEvent]:
    """Return the last events of some types after a position, the last one first.

    All events after the position are looked at, so the caller keeps it near the head.
    """
    statement = (
        EVENT.where(event.c.position > after, event.c.type.in_(sorted(types)))
        .order_by(event.c.position.desc())
        .limit(limit)
    )
    return [to_event(row) for row in connection.execute(statement).all()]
