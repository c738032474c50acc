"""Deliveries that repeated an event of the log: how many, and when the last one came."""

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
    """The repetitions of the event at a position."""

    position: int
    count: int
    last_received_at: datetime


def add(connection: Connection, repeated: Mapping[int, int], *, received_at: datetime) -> None:
    """Count repetitions, by position; the caller holds the lock of the head."""
    if not repeated:
        return
    known = find(connection, list(repeated))
    rows = []
    for position, count in repeated.items():
        before = known.get(position) or Duplicates(position, 0, received_at)
        # What was put aside and is read again came long ago.
        last = max(before.last_received_at, received_at)
        rows.append((position, before.count + count, last))
    bulk.upsert_many(connection, duplicate, rows)


def find(connection: Connection, positions: Sequence[int]) -> dict[int, Duplicates]:
    """The repetitions of the events at some positions, as far as there are any."""
    statement = select(duplicate).where(in_values(connection, duplicate.c.position, positions))
    return {row[0]: Duplicates(*row) for row in connection.execute(statement)}
