"""Holds what is known of one feed: its deliveries by hour, from which days and a rhythm follow."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, tzinfo

from attrs import define, evolve, field

from projector.queries.feed_verdicts import Rhythm, find_rhythm, hour_of, start_of
from projector.store.append import Channel
from projector.store.append_plan import Outcome
from projector.store.feed_reads import FeedRow

#: The days of which the deliveries are listed.
DAYS = 42

#: The channels whose deliveries say nothing about the sender.
_FETCHED = (Channel.FILE, Channel.BACKFILL, Channel.RECONCILE)


@define
class FeedSeries:
    """What is known of one feed."""

    #: The live deliveries by hour, and all of them.
    live: Counter[int] = field(factory=Counter)
    all: Counter[int] = field(factory=Counter)
    last_at: datetime | None = None
    live_at: datetime | None = None
    in_log: int = 0
    #: Whether any came otherwise than by being fetched.
    may_be_live: bool = False

    def add(self, row: FeedRow, *, keeps_hours: bool = True) -> None:
        """Add the deliveries of a row."""
        if row.outcome == Outcome.APPENDED:
            self.in_log += row.deliveries
        if row.channel == Channel.RETRY:
            return
        self.last_at = max(self.last_at or row.last_at, row.last_at)
        self.may_be_live |= row.channel not in _FETCHED
        if row.channel == Channel.LIVE:
            self.live_at = max(self.live_at or row.last_at, row.last_at)
        if keeps_hours and row.channel != Channel.EARLIER:
            self.all[hour_of(row.hour)] += row.deliveries
            if row.channel == Channel.LIVE:
                self.live[hour_of(row.hour)] += row.deliveries

    def copy(self) -> FeedSeries:
        """Return a copy that can be added to."""
        return evolve(self, live=Counter(self.live), all=Counter(self.all))

    def forget(self, before: int) -> None:
        """Forget the hours before one."""
        for hours in (self.live, self.all):
            for hour in [each for each in hours if each < before]:
                del hours[hour]

    def rhythm(self) -> Rhythm | None:
        """Return the rhythm of what comes live; None if nothing does."""
        if self.live_at is None or not self.live:
            return None
        return find_rhythm(self.live, self.live_at)


class Days:
    """The last days in a zone, today's last."""

    def __init__(self, now: datetime, zone: tzinfo) -> None:
        today = now.astimezone(zone).date()
        first = hour_of(now) - 24 * (DAYS + 1)
        self._index = {}
        for hour in range(first, hour_of(now) + 1):
            back = (today - start_of(hour).astimezone(zone).date()).days
            if 0 <= back < DAYS:
                self._index[hour] = DAYS - 1 - back

    def count(self, hours: Counter[int]) -> tuple[int, ...]:
        """Return the deliveries of each day."""
        days = [0] * DAYS
        for hour, deliveries in hours.items():
            at = self._index.get(hour)
            if at is not None:
                days[at] += deliveries
        return tuple(days)


def a_day(days: tuple[int, ...]) -> float:
    """Return the mean of the days from the first one with a delivery on."""
    first = next((at for at, count in enumerate(days) if count), None)
    return 0.0 if first is None else round(sum(days) / (DAYS - first), 2)
