"""Places instants along an axis of time, with ticks at the beginnings of months or years. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from attrs import frozen

from projector.server.console.zones import Zone

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Months between two ticks, and the most days of an axis that has them.
_STEPS = ((1, 250), (3, 960), (6, 1_600), (12, 3_700))

#: The most ticks of an axis of many years.
_TICKS_MAX = 10

#: Instants out of these bounds are placed at an end: one wrong clock would squeeze all the others.
_FIRST = datetime(1990, 1, 1, tzinfo=UTC)
_FUTURE = timedelta(days=366 * 5)

#: The share of the axis before the first instant.
_MARGIN = 0.015


@frozen(kw_only=True)
class Tick:
    """A tick: its place as a share of the axis, and its text."""

    share: float
    text: str
    is_strong: bool


@frozen
class TimeAxis:
    """An axis from one instant to another."""

    begin: datetime
    end: datetime
    zone: Zone

    @classmethod
    def over(cls, instants: Iterable[datetime], zone: Zone) -> TimeAxis:
        """Return an axis for some instants, the first of which is now."""
        now, *others = instants
        last = min(max([now, *others]), max(now, _FIRST) + _FUTURE)
        first = max(min([now, *others]), _FIRST)
        # An axis of no length could place nothing.
        length = max(last - first, timedelta(days=7))
        return cls(last - length - length * _MARGIN, last, zone)

    def share(self, at: datetime) -> float:
        """Return the place of an instant, from 0 to 1."""
        share: float = (at - self.begin) / (self.end - self.begin)
        return min(max(share, 0.0), 1.0)

    def ticks(self) -> Iterator[Tick]:
        """Yield the ticks, of which the beginnings of years are strong."""
        days = (self.end - self.begin).days
        if days <= 45:
            yield from self._of_days(max(1, round(days / 6)))
            return
        months = next((step for step, most in _STEPS if days <= most), None)
        if months is None:
            months = 12 * -(-days // (365 * _TICKS_MAX))
        yield from self._of_months(months)

    def _of_days(self, step: int) -> Iterator[Tick]:
        day = self.zone.day_of(self.end)
        while self.zone.beginning_of(day) > self.begin:
            at = self.zone.beginning_of(day)
            if at <= self.end:
                text = f"{day.day} {_MONTHS[day.month - 1]}"
                yield Tick(share=self.share(at), text=text, is_strong=False)
            day -= timedelta(days=step)

    def _of_months(self, step: int) -> Iterator[Tick]:
        first = self.zone.day_of(self.begin)
        number = (first.year * 12 + first.month - 1) // step * step + step
        while True:
            day = date(number // 12, number % 12 + 1, 1)
            at = self.zone.beginning_of(day)
            if at > self.end:
                return
            text = str(day.year) if day.month == 1 else _MONTHS[day.month - 1]
            yield Tick(share=self.share(at), text=text, is_strong=day.month == 1)
            number += step
