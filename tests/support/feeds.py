"""Deliveries that came hour by hour, without their events: only their counts."""

from datetime import datetime, timedelta

from projector.store import feed_counts
from projector.store.append_plan import Outcome
from projector.store.database import Database
from projector.store.feed_counts import Arrival, Channel
from tests.support.items import envelope


def count_hourly(
    database: Database,
    type: str,
    *,
    now: datetime,
    silent_hours: int = 0,
    days: int = 30,
    sender: str = "distr_1",
) -> None:
    """Count one delivery an hour, up to so many hours ago."""
    event = envelope("a", type=type, sender=sender)
    with database.writing() as connection:
        for hours in range(24 * days, silent_hours, -1):
            at = now - timedelta(hours=hours)
            arrival = Arrival(at, Channel.LIVE, at)
            feed_counts.add(connection, feed_counts.rows([event], [Outcome.APPENDED], arrival))
