"""Reads the counts of deliveries: by hour, and summed up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from projector.store.tables import feed_hour

#: How many rows are read at the most, the latest ones.
ROWS_MAX = 200_000


class FeedRow(NamedTuple):
    """Deliveries of one feed with one outcome, in an hour, or in many of them."""

    #: The beginning of the hour; of many, of the last one.
    hour: datetime
    project_id: str
    sender: str
    type: str
    channel: str
    outcome: str
    deliveries: int
    last_at: datetime


def read(
    connection: Connection, *, since: datetime, until: datetime | None = None
) -> Iterator[FeedRow]:
    """Yield the counts of the hours from `since` on, up to `until`, the latest first."""
    table = feed_hour.c
    statement = (
        select(*(table[name] for name in FeedRow._fields))
        .where(table.hour >= since)
        .order_by(table.hour.desc())
        .limit(ROWS_MAX)
    )
    if until is not None:
        statement = statement.where(table.hour < until)
    return (FeedRow(*row) for row in connection.execute(statement))


def read_sums(connection: Connection, *, until: datetime) -> Iterator[FeedRow]:
    """Yield the sums of all hours before `until`."""
    table = feed_hour.c
    keys = [table[name] for name in ("project_id", "sender", "type", "channel", "outcome")]
    last = func.max(table.hour), func.sum(table.deliveries), func.max(table.last_at)
    statement = select(*keys, *last).where(table.hour < until).group_by(*keys)
    for row in connection.execute(statement):
        yield FeedRow(row[5], *row[:5], int(row[6]), row[7])
