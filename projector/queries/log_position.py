"""Finds the position that the log had reached at an instant."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection

from projector.store import log
from projector.store.database import Database
from projector.text.instants import check_instant


@frozen(kw_only=True)
class LogPosition:
    """The last event that was received by an instant."""

    #: Its position; 0 if there is none. As `at_position` it asks what was known then.
    at_position: int
    #: When it was received; null if there is none.
    received_at: datetime | None


def find_position(database: Database, received_by: datetime) -> LogPosition:
    """Return the position of the last event that was received by an instant.

    Events are received in the order of their positions, as far as the clocks of the receivers
    agree. Raises BadInstant for a naive datetime.
    """
    check_instant(received_by)
    with database.reading() as connection:
        position = read_position(connection, received_by)
        return LogPosition(at_position=position, received_at=log.received_at(connection, position))


def read_position(connection: Connection, received_by: datetime) -> int:
    """Return the position by a binary search: some 30 look-ups by the primary key."""
    lowest, highest = 0, log.head(connection)
    while lowest < highest:
        middle = (lowest + highest + 1) // 2
        received_at = log.received_at(connection, middle)
        if received_at is None or received_at <= received_by:
            lowest = middle
        else:
            highest = middle - 1
    return lowest
