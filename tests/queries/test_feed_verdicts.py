"""A silence is noticed, and a pause is none: judged on made-up years of deliveries."""

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from projector.queries.feed_verdicts import Rhythm, Verdict, find_rhythm, hour_of

_BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_DAYS = 365


def _weight(rhythm: str, at: datetime) -> float:
    if rhythm == "flat":
        return 1.0
    if rhythm == "shop":
        return (0.1 if at.hour < 7 else 1.5) * (1.0 if at.weekday() < 5 else 0.6)
    return 1.0 if 8 <= at.hour < 18 and at.weekday() < 5 else 0.01


def _year(
    weekly: float, rhythm: str, *, seed: int, zone: str = "UTC", days: int = _DAYS
) -> Iterator[datetime]:
    """A year of deliveries in bursts: good and bad days, as a gamma distribution has them."""
    chance = Random(seed)
    local = ZoneInfo(zone)
    week = sum(_weight(rhythm, _BEGIN + hour * _HOUR) for hour in range(168))
    for day in range(days):
        burst = chance.gammavariate(4, 1 / 4)
        for hour in range(24):
            at = _BEGIN + timedelta(days=day, hours=hour)
            mean = weekly * burst * _weight(rhythm, at.astimezone(local)) / week
            for _ in range(min(_poisson(mean, chance), 40)):
                yield at + chance.random() * _HOUR


def _poisson(mean: float, chance: Random) -> int:
    count, product, limit = 0, chance.random(), math.exp(-mean)
    while product > limit:
        count, product = count + 1, product * chance.random()
    return count


def _alarms(arrivals: list[datetime]) -> tuple[int, Rhythm]:
    """The pauses that were taken for silence, and the rhythm in the end."""
    counts: Counter[int] = Counter()
    alarms = 0
    for at, following in pairwise(arrivals):
        counts[hour_of(at)] += 1
        if following - at >= timedelta(hours=4):
            alarms += find_rhythm(counts, at).verdict(following) is Verdict.SILENT
    return alarms, find_rhythm(counts, arrivals[-2])


@pytest.mark.parametrize(
    ("weekly", "rhythm", "zone", "noticed_hours_max"),
    [
        (2_000, "flat", "UTC", 8),
        (2_000, "shop", "Europe/Warsaw", 14),
        (200, "flat", "UTC", 48),
        (200, "shop", "America/New_York", 36),
        (200, "office", "Europe/Warsaw", 90),
        (20, "shop", "Europe/Warsaw", 200),
    ],
)
def test_a_year_has_few_false_alarms_and_a_silence_is_noticed(
    weekly: float, rhythm: str, zone: str, noticed_hours_max: int
) -> None:
    """Also when the clocks change, twice within the year."""
    alarms, hours = 0, []
    for seed in range(2):
        arrivals = sorted(_year(weekly, rhythm, seed=seed, zone=zone))
        false, last = _alarms(arrivals)
        alarms += false
        noticed = last.noticed_after()
        assert noticed is not None
        assert last.verdict(last.last_at + noticed) is Verdict.SILENT
        hours.append(noticed / _HOUR)
    assert alarms <= 4
    assert max(hours) <= noticed_hours_max


def test_a_night_is_no_silence_and_a_day_is() -> None:
    """By the hours of the week, and not by those of the clock."""
    arrivals = [
        _BEGIN + timedelta(days=day, hours=hour)
        for day in range(28)
        for hour in range(8, 20)
        for _ in range(3)
    ]
    rhythm = find_rhythm(Counter(map(hour_of, arrivals)), arrivals[-1])
    morning = arrivals[-1] + timedelta(hours=13)
    assert rhythm.missing(morning) < 5
    assert rhythm.verdict(morning) is Verdict.COMES
    assert rhythm.verdict(morning + timedelta(hours=5)) is Verdict.SILENT


def _daily(times: int, days: int, *, begin: datetime = _BEGIN) -> list[datetime]:
    step = timedelta(days=1) / times
    return [begin + number * step for number in range(times * days)]


def _verdict(arrivals: list[datetime], after: timedelta) -> Verdict:
    rhythm = find_rhythm(Counter(map(hour_of, arrivals)), arrivals[-1])
    return rhythm.verdict(arrivals[-1] + after)


def test_what_is_new_or_rare_or_has_ended_raises_no_alarm() -> None:
    week = timedelta(weeks=1)
    assert _verdict(_daily(24, 13), week) is Verdict.LEARNING
    assert _verdict(_daily(24, 15), week) is Verdict.SILENT
    assert _verdict([*_daily(1, 1), *_daily(1, 1, begin=_BEGIN + 3 * week)], week) is Verdict.RARE
    assert _verdict(_daily(24, 15), 9 * week) is Verdict.ENDED
    assert _verdict(_daily(1, 15)[:1], week) is Verdict.LEARNING


def test_one_silence_does_not_hide_the_next() -> None:
    before = _daily(24, 28)
    arrivals = [*before, *_daily(24, 14, begin=before[-1] + timedelta(days=5))]
    assert _verdict(arrivals, timedelta(hours=12)) is Verdict.SILENT
    # What happens twice is usual.
    again = [*arrivals, *_daily(24, 7, begin=arrivals[-1] + timedelta(days=5))]
    assert _verdict(again, timedelta(hours=12)) is Verdict.COMES


def test_a_rush_is_not_waited_for_a_week_later() -> None:
    """Thousands that a sender sends again after it was stopped."""
    arrivals = _daily(6, 28)
    rush = [arrivals[-20]] * 5_000
    counts = Counter(map(hour_of, [*arrivals, *rush]))
    rhythm = find_rhythm(counts, arrivals[-1])
    assert rhythm.missing(arrivals[-1] + timedelta(days=7)) < 50


def test_what_is_missing_is_counted_to_the_minute() -> None:
    arrivals = _daily(24, 28)
    rhythm = find_rhythm(Counter(map(hour_of, arrivals)), arrivals[-1])
    for minutes in (0, 30, 60, 90, 60 * 24 * 7 * 3 + 15):
        now = arrivals[-1] + timedelta(minutes=minutes)
        assert rhythm.missing(now) == pytest.approx(minutes / 60)
    assert rhythm.missing(arrivals[-1] - _HOUR) == 0
