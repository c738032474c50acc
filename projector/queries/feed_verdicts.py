"""Judges whether a feed has gone silent, against its own usual rhythm. PURE.

A feed is silent when many more deliveries are missing than were ever missing between two of them.
What is missing is counted in deliveries and not in hours: the hours since the last one, each
weighed by how many usually come in that hour of the week. So a night is no silence, and a feed
with pauses is measured by its pauses.

Hours are numbered from the epoch, in UTC. A rhythm in local time moves by an hour twice a year, so
each hour is weighed together with its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from attrs import frozen

#: The hours of a week.
WEEK = 168

#: A rhythm is that of so many hours before the last delivery.
RHYTHM_HOURS = 8 * WEEK

#: After so long a silence, a feed has ended: nobody waits for it any more.
ENDED_AFTER = timedelta(weeks=8)

#: A rhythm is known after so many hours and so many deliveries.
LEARNING_HOURS = 2 * WEEK
LEARNING_DELIVERIES = 20

#: A feed with fewer deliveries a week is too rare to judge.
RARE_WEEKLY = 5.0

#: A silence is at least so long, lacks at least so many deliveries, and lacks at least so many
#: times as many as were lacking in the longest usual pause.
SILENT_AFTER = timedelta(hours=4)
SILENT_MISSING = 5.0
SILENT_TIMES = 2.5

#: The same if no feed brings anything.
NOTHING_MISSING = 10.0
NOTHING_TIMES = 2.0

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


class Verdict(StrEnum):
    """The state of a feed."""

    COMES = "comes"
    SILENT = "silent"
    #: It is too new to have a known rhythm.
    LEARNING = "learning"
    #: Too few come for a silence to mean anything.
    RARE = "rare"
    #: It was silent for so long that it will not come back by itself.
    ENDED = "ended"
    #: It came from files only, which have no rhythm.
    FILES = "files"


@frozen
class Rhythm:
    """How many deliveries of a feed usually come in each hour of the week."""

    last_at: datetime
    #: By the hour of the week, the hour of the epoch modulo WEEK.
    expected: tuple[float, ...]
    #: The deliveries that are missing in the longest usual pause.
    longest: float
    #: The hours from the first to the last delivery, at the most RHYTHM_HOURS, and the deliveries.
    hours: int
    deliveries: int

    @property
    def weekly(self) -> float:
        """The deliveries that are expected in a week."""
        return sum(self.expected)

    @property
    def is_known(self) -> bool:
        """Whether there are enough deliveries to judge a silence."""
        return self.hours >= LEARNING_HOURS and self.deliveries >= LEARNING_DELIVERIES

    @property
    def _limit(self) -> float:
        """The missing deliveries from which on it is silent."""
        return max(SILENT_MISSING, SILENT_TIMES * self.longest)

    def missing(self, now: datetime) -> float:
        """Return how many deliveries should have come since the last one."""
        if now <= self.last_at:
            return 0.0
        first, last = hour_of(self.last_at), hour_of(now)
        whole_weeks, rest = divmod(last - first, WEEK)
        passed = sum(self.expected[hour % WEEK] for hour in range(first, first + rest))
        passed += whole_weeks * self.weekly
        # Parts of the hours in which it begins and ends.
        passed -= self.expected[first % WEEK] * ((self.last_at - _EPOCH) % _HOUR / _HOUR)
        passed += self.expected[last % WEEK] * ((now - _EPOCH) % _HOUR / _HOUR)
        return max(passed, 0.0)

    def verdict(self, now: datetime) -> Verdict:
        """Judge the time since the last delivery."""
        if now - self.last_at > ENDED_AFTER:
            return Verdict.ENDED
        if self.hours >= LEARNING_HOURS and self.weekly < RARE_WEEKLY:
            return Verdict.RARE
        if not self.is_known:
            return Verdict.LEARNING
        is_long = now - self.last_at >= SILENT_AFTER
        is_silent = is_long and self.missing(now) > self._limit
        return Verdict.SILENT if is_silent else Verdict.COMES

    def is_everything_silent(self, now: datetime) -> bool:
        """Judge the rhythm of all feeds together, of which a shorter silence counts."""
        if not self.is_known or not SILENT_AFTER <= now - self.last_at <= ENDED_AFTER:
            return False
        return self.missing(now) > max(NOTHING_MISSING, NOTHING_TIMES * self.longest)

    def noticed_after(self) -> timedelta | None:
        """Return how long a silence must last to be noticed, in whole hours.

        It begins with the last delivery. None if it never would be noticed.
        """
        if not self.is_known or self.weekly < RARE_WEEKLY:
            return None
        first, part = hour_of(self.last_at), (self.last_at - _EPOCH) % _HOUR / _HOUR
        missing = 0.0
        for hours in range(1, int(ENDED_AFTER / _HOUR)):
            before, after = (first + hours - 1) % WEEK, (first + hours) % WEEK
            missing += (1 - part) * self.expected[before] + part * self.expected[after]
            if missing > self._limit and hours * _HOUR >= SILENT_AFTER:
                return hours * _HOUR
        return None


def hour_of(at: datetime) -> int:
    """Return the number of the hour of an instant, from the epoch."""
    return (at - _EPOCH) // _HOUR


def start_of(hour: int) -> datetime:
    """Return the instant at which an hour begins."""
    return _EPOCH + hour * _HOUR


def find_rhythm(counts: Mapping[int, int], last_at: datetime) -> Rhythm:
    """Return the rhythm of a feed from its deliveries by hour, of which there is at least one."""
    last = hour_of(last_at)
    hours = sorted(hour for hour in counts if last - RHYTHM_HOURS < hour <= last)
    span = last - hours[0] + 1 if hours else 0
    expected = _smoothed(_expected(counts, hours, last, span))
    return Rhythm(
        last_at=last_at,
        expected=expected,
        longest=_longest_usual(hours, expected),
        hours=span,
        deliveries=sum(counts[hour] for hour in hours),
    )


def _expected(counts: Mapping[int, int], hours: list[int], last: int, span: int) -> list[float]:
    """Return the mean of each hour of the week, in which a rush counts as a busy hour.

    Thousands that are sent again within an hour are nothing to wait for a week later.
    """
    busy = sorted(counts[hour] for hour in hours)
    most = busy[len(busy) * 9 // 10] if busy else 0
    sums = [0.0] * WEEK
    for hour in hours:
        sums[hour % WEEK] += min(counts[hour], most)
    weeks, rest = divmod(span, WEEK)
    for hour in range(last - span + 1, last - span + 1 + WEEK):
        times = weeks + (hour < last - span + 1 + rest)
        sums[hour % WEEK] /= max(times, 1)
    return sums


def _smoothed(expected: list[float]) -> tuple[float, ...]:
    return tuple(
        (expected[hour - 1] + expected[hour] + expected[(hour + 1) % WEEK]) / 3
        for hour in range(WEEK)
    )


def _longest_usual(hours: Iterable[int], expected: tuple[float, ...]) -> float:
    """Return what is missing in the longest pause, but for one that was a silence itself.

    One silence would else hide the next. What happens twice is usual.
    """
    sums = [0.0]
    for each in (*expected, *expected):
        sums.append(sums[-1] + each)
    weekly = sums[WEEK]
    second, longest, longest_hours = 0.0, 0.0, 0
    for before, after in pairwise(hours):
        weeks, rest = divmod(after - before - 1, WEEK)
        begin = (before + 1) % WEEK
        missing = weeks * weekly + sums[begin + rest] - sums[begin]
        if missing > longest:
            second, longest, longest_hours = longest, missing, after - before - 1
        else:
            second = max(second, missing)
    was_silence = longest_hours * _HOUR >= SILENT_AFTER and longest > max(
        SILENT_MISSING, SILENT_TIMES * second
    )
    return second if was_silence else longest
