"""Instants: RFC 3339 text to aware datetimes in UTC, and back. PURE."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from projector.errors import BadInstant


class NaiveInstant(ValueError):
    """A time without an offset: nobody can say when that was."""


def parse(text: str) -> datetime:
    """Read an RFC 3339 time into an aware datetime in UTC, with microseconds.

    Digits beyond microseconds are rounded. Raises NaiveInstant for a time without an offset and
    ValueError for everything else that is not a time. msgspec's reader is used and not
    `datetime.fromisoformat`, which accepts other texts in every version of Python.
    """
    try:
        value = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        raise ValueError(f"{shorten(text)!r} is not an RFC 3339 time") from None
    if value.tzinfo is None:
        raise NaiveInstant(f"{shorten(text)!r} has no offset from UTC")
    return to_utc(value)


def parse_option(text: str | None) -> datetime | None:
    """Read the instant that a user gave, if any; raises BadInstant."""
    try:
        return None if text is None else parse(text)
    except ValueError as error:
        raise BadInstant(text=text, reason=error) from error


def to_utc(value: datetime) -> datetime:
    """The same instant in UTC; raises ValueError where that lies outside the years 1 to 9999."""
    if value.tzinfo is UTC:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value.isoformat()} lies outside the years 1 to 9999 in UTC") from None


def check_instant(value: datetime | None) -> None:
    """Raise BadInstant for a datetime that is no instant, or none that can be compared in UTC."""
    if value is None:
        return
    if value.tzinfo is None:
        raise BadInstant(text=str(value), reason="it has no offset from UTC")
    try:
        to_utc(value)
    except ValueError as error:
        raise BadInstant(text=str(value), reason=error) from error


def to_text(value: datetime) -> str:
    """RFC 3339 in UTC with `Z`: three decimals, six where there are single microseconds."""
    precision = "microseconds" if value.microsecond % 1000 else "milliseconds"
    # An offset of zero is written `+00:00`.
    return value.astimezone(UTC).isoformat(timespec=precision)[:-6] + "Z"


def shorten(text: str, characters_max: int = 60) -> str:
    """The text, cut for a message."""
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"
