"""Gathers the days of a size into points and periods that a chart and a table can show. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby, pairwise
from typing import Protocol

from attrs import frozen

#: The greatest number of points of a line: more cannot be told apart.
POINTS_MAX = 400

#: The greatest number of days of which each is a period, and of which each week is one.
_DAYS_MAX = 31
_WEEKS_DAYS_MAX = 400


class DaySize(Protocol):
    """The size of a group at the end of a day, and the entries and exits on it."""

    @property
    def day(self) -> date:
        """The day."""

    @property
    def members(self) -> int:
        """The size at its end."""

    @property
    def entered(self) -> int:
        """The memberships that began on it."""

    @property
    def left(self) -> int:
        """The memberships that ended on it."""


@frozen(kw_only=True)
class Period:
    """Some days together: the size at the end of the last one, and all entries and exits."""

    first: date
    last: date
    members: int
    entered: int
    left: int


def points(days: Sequence[DaySize]) -> list[Period]:
    """Return periods of equally many days, of which the last ends on the last day.

    So there is one for each day unless they are more than POINTS_MAX.
    """
    step = -(-len(days) // POINTS_MAX)
    beginning = len(days) % step
    cuts = [*([0] if beginning else []), *range(beginning, len(days), step), len(days)]
    return [_period(days[cut:end]) for cut, end in pairwise(cuts)]


def periods(days: Sequence[DaySize]) -> tuple[str, list[Period]]:
    """Return the name of a period (`day`, `week` or `month`), and the periods of some days."""
    if len(days) <= _DAYS_MAX:
        return "day", [_period([each]) for each in days]
    if len(days) <= _WEEKS_DAYS_MAX:
        return "week", _grouped(days, by_week=True)
    return "month", _grouped(days, by_week=False)


def _grouped(days: Iterable[DaySize], *, by_week: bool) -> list[Period]:
    def beginning(each: DaySize) -> date:
        if by_week:
            return each.day - timedelta(days=min(each.day.weekday(), each.day.toordinal() - 1))
        return each.day.replace(day=1)

    return [_period(list(some)) for _, some in groupby(days, key=beginning)]


def _period(days: Sequence[DaySize]) -> Period:
    return Period(
        first=days[0].day,
        last=days[-1].day,
        members=days[-1].members,
        entered=sum(each.entered for each in days),
        left=sum(each.left for each in days),
    )
