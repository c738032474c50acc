"""Parses and formats instants: RFC 3339 text, and aware datetimes in UTC. PURE."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from projector.errors import BadInstant

#: A time with the second 60: what is before the second, and the offset.
_SECOND_60 = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):60(?:\.\d+)?([Zz]|[+-]\d\d:?\d\d|)", re.ASCII
)


class NaiveInstant(ValueError):
    """A time without an offset from UTC, which does not identify an instant."""


def parse(text: str) -> datetime:
    """Parse an RFC 3339 time into an aware datetime in UTC, with microseconds.

    Digits beyond microseconds are rounded. A leap second is the last microsecond before it. Raises
    NaiveInstant for a time without an offset, and ValueError for any other text that is not an
    RFC 3339 time. Parses with msgspec, because the set of texts that `datetime.fromisoformat`
    accepts depends on the version of Python.
    """
    try:
        value = msgspec.convert(before_leap_second(text) or text, datetime)
    except msgspec.ValidationError:
        raise ValueError(f"{shorten(text)!r} is not an RFC 3339 time") from None
    if value.tzinfo is None:
        raise NaiveInstant(f"{shorten(text)!r} has no offset from UTC")
    return to_utc(value)


def before_leap_second(text: str) -> str | None:
    """Return the last microsecond before a leap second, in the same offset; None for other texts.

    Computers cannot represent a leap second. It is 23:59:60 in UTC, in whatever offset it is
    written; the day is not checked, because the days of future leap seconds are unknown.
    """
    found = _SECOND_60.fullmatch(text)
    if found is None:
        return None
    before = f"{found[1]}:59.999999{found[2]}"
    try:
        value = msgspec.convert(before, datetime)
        if value.tzinfo is not None:
            value = to_utc(value)
    except ValueError:
        return None
    return before if (value.hour, value.minute) == (23, 59) else None


def parse_option(text: str | None) -> datetime | None:
    """Parse an optional instant from a user; raises BadInstant."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise BadInstant(text=text, reason=error) from error


def to_utc(value: datetime) -> datetime:
    """Convert an aware datetime to UTC; raises ValueError outside the years 1 to 9999."""
    if value.tzinfo is UTC:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC") from None


def check_instant(value: datetime | None) -> None:
    """Raise BadInstant for a datetime without an offset, or one that does not exist in UTC."""
    if value is None:
        return
    if value.tzinfo is None:
        raise BadInstant(text=str(value), reason="it has no offset from UTC")
    try:
        to_utc(value)
    except ValueError as error:
        raise BadInstant(text=str(value), reason=error) from error


def to_text(value: datetime) -> str:
    """Format as RFC 3339 in UTC with `Z`: three decimals, or six unless whole milliseconds."""
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    # isoformat writes the offset of zero as `+00:00`.
    return value.astimezone(UTC).isoformat(timespec=precision)[:-6] + "Z"


def shorten(text: str, characters_max: int = 60) -> str:
    """Truncate a text for a message."""
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"
