"""Days and times in one time zone, as the pages of the console write them. PURE."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from markupsafe import Markup

from projector.text.instants import to_text

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

#: Python reads other forms too, such as weeks.
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)

_MICROSECOND = timedelta(microseconds=1)

_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


class Zone:
    """A time zone, in which days begin and end and times are written."""

    def __init__(self, name: str) -> None:
        """Take a name of the IANA database, such as `Europe/Warsaw`; raise KeyError."""
        self.name = name
        self._zone = _zone(name)

    def day_of(self, at: datetime) -> date:
        """Return the day on which an instant falls."""
        return self._local(at).date()

    def beginning_of(self, day: date) -> datetime:
        """Return the first instant of a day, in UTC."""
        return self._to_utc(datetime.combine(day, datetime.min.time()))

    def end_of(self, day: date) -> datetime:
        """Return the last microsecond of a day, in UTC: what was true then was true "on" it."""
        if day == date.max:
            return _LAST
        return self.beginning_of(day + timedelta(days=1)) - _MICROSECOND

    def instant(self, local: datetime) -> datetime:
        """Return the instant, in UTC, at which the clocks show a date and a time."""
        return self._to_utc(local)

    def day_text(self, day: date | datetime) -> str:
        """Return a day such as `1 March 2026`."""
        day = self._day(day)
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    def short_day_text(self, day: date | datetime) -> str:
        """Return a day such as `1 Mar 2026`."""
        day = self._day(day)
        return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"

    def time_text(self, at: datetime) -> str:
        """Return an instant such as `1 Mar 2026, 09:05`."""
        return f"{self.short_day_text(at)}, {self._local(at):%H:%M}"

    def time(self, at: datetime) -> Markup:
        """Return an instant as an element `time`, with the day and the time as its text."""
        return _element(at, self.time_text(at))

    def day(self, at: datetime) -> Markup:
        """Return an instant as an element `time`, with the day as its text."""
        return _element(at, self.short_day_text(at))

    def _day(self, day: date | datetime) -> date:
        return self.day_of(day) if isinstance(day, datetime) else day

    def _local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self._zone)
        except OverflowError:
            return at.astimezone(UTC)

    def _to_utc(self, local: datetime) -> datetime:
        try:
            return local.replace(tzinfo=self._zone).astimezone(UTC)
        except OverflowError:
            return _FIRST if local.year == 1 else _LAST


def is_zone(name: str) -> bool:
    """Return whether a name is that of a time zone."""
    return name in names()


@cache
def names() -> tuple[str, ...]:
    """Return the names of the time zones that a person would choose, sorted."""
    known = available_timezones()
    return tuple(sorted(each for each in known if "/" in each or each == "UTC"))


def parse_day(text: str | None) -> date | None:
    """Parse a day such as `2026-03-01`; None for an empty text and for any other."""
    if text is None or _DAY.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def parse_local(text: str | None) -> datetime | None:
    """Parse a date with a time such as `2026-03-01T09:05`; None for any other text."""
    try:
        parsed = datetime.fromisoformat(text) if text and "T" in text else None
    except ValueError:
        return None
    return parsed if parsed is not None and parsed.tzinfo is None else None


@cache
def _zone(name: str) -> ZoneInfo:
    # The names are checked before ZoneInfo reads a file by one of them.
    if name not in available_timezones():
        raise KeyError(name)
    return ZoneInfo(name)


def _element(at: datetime, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(to_text(at), text)
