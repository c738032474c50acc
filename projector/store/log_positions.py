"""Finds the position at which the log ended at an instant."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from projector.store import log
from projector.store.tables import event


def received_by(connection: Connection, at: datetime) -> int:
    """Return the position of the last event that was received by an instant; 0 for none.

    A binary search by the primary key: positions and times of receipt grow together.
    """
    low, high = 0, log.head(connection)
    while low < high:
        middle = (low + high + 1) // 2
        statement = select(event.c.received_at).where(event.c.position == middle)
        if connection.execute(statement).scalar_one() <= at:
            low = middle
        else:
            high = middle - 1
    return low
