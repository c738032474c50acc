"""Counts duplicates: deliveries that repeated an event of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, select

from projector.store import bulk
from projector.store.predicates import in_values
from projector.store.tables import duplicate


@frozen
class Duplicates:
    """The duplicates of the event at a position: their number, and when the last one arrived."""

    position: int
    count: int
    last_received_at: datetime


def add(connection: Connection, repeated: Mapping[int, int], *, received_at: datetime) -> None:
    """Add to the counts of duplicates; `repeated` has their number by the event's position.

    The caller holds the lock of the log's head, so that no count is lost.
    """
    if not repeated:
        return
    known = find(connection, list(repeated))
    rows = []
    for position, count in repeated.items():
        before = known.get(position) or Duplicates(position, 0, received_at)
        # A retry of a quarantined delivery has its time of arrival, which may be an older one.
        last = max(before.last_received_at, received_at)
        rows.append((position, before.count + count, last))
    bulk.upsert_many(connection, duplicate, rows)


def find(connection: Connection, positions: Sequence[int]) -> dict[int, Duplicates]:
    """Return the duplicates of events by position; an event without duplicates is left out."""
    statement = select(duplicate).where(in_values(connection, duplicate.c.position, positions))
    return {row[0]: Duplicates(*row) for row in connection.execute(statement)}
