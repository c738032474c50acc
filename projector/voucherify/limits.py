"""Reads the headers by which an answer limits the next requests. PURE.

`X-Rate-Limit-Limit`, `-Remaining` and `-Retry` (the moment of the next request, in seconds since
1970, and not a duration), `X-Rate-Limit-Type`, and the standard `Retry-After`. Moments are compared
with the answer's own `Date`: the clock here may be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from attrs import frozen

#: The value of `X-Rate-Limit-Type` for the quota of a billing cycle.
_CYCLE = "api_calls_cycle"

#: Values of `X-Rate-Limit-Retry` below and above these are no seconds since 1970, but seconds from
#: now (some proxies write these), and milliseconds since 1970.
_EPOCH_SECONDS_MIN = 1e9
_EPOCH_SECONDS_MAX = 1e11


@frozen(kw_only=True)
class Limits:
    """The limits that the headers of an answer state; None for a header that is missing."""

    #: The number of requests in a period, and of those that are left in it.
    limit: int | None = None
    remaining: int | None = None
    #: The seconds until the next request, of `Retry-After` and of `X-Rate-Limit-Retry`.
    retry_after_seconds: float | None = None
    reset_seconds: float | None = None
    #: Whether the limit is that of a billing cycle.
    is_of_cycle: bool = False
    #: The moment of the answer, by the sender's clock.
    date: datetime | None = None

    @property
    def wait_seconds(self) -> float | None:
        """The seconds until the next request; None if no header states them."""
        return self.reset_seconds if self.retry_after_seconds is None else self.retry_after_seconds

    def is_within_reserve(self, reserve_percent: float) -> bool:
        """Return whether fewer requests are left than the share that is kept for others."""
        if not self.limit or self.remaining is None:
            return False
        return self.remaining < self.limit * reserve_percent / 100


def read_limits(headers: Mapping[str, str], *, now: datetime) -> Limits:
    """Read headers, whose names are in lower case; unreadable ones count as missing."""
    date = _http_date(headers.get("date"))
    moment = date or now
    return Limits(
        limit=_count(headers.get("x-rate-limit-limit")),
        remaining=_count(headers.get("x-rate-limit-remaining")),
        retry_after_seconds=_retry_after(headers.get("retry-after"), moment),
        reset_seconds=_reset(headers.get("x-rate-limit-retry"), moment),
        is_of_cycle=headers.get("x-rate-limit-type", "").strip().lower() == _CYCLE,
        date=date,
    )


def _count(text: str | None) -> int | None:
    number = _number(text)
    return None if number is None or number < 0 else int(number)


def _retry_after(text: str | None, moment: datetime) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return max(seconds, 0.0)
    date = _http_date(text)
    return None if date is None else max((date - moment).total_seconds(), 0.0)


def _reset(text: str | None, moment: datetime) -> float | None:
    number = _number(text)
    if number is None or number < 0:
        return None
    if number < _EPOCH_SECONDS_MIN:
        return number
    if number >= _EPOCH_SECONDS_MAX:
        number /= 1000
    return max(number - moment.timestamp(), 0.0)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _http_date(text: str | None) -> datetime | None:
    try:
        date = parsedate_to_datetime(text or "")
        # A date without a zone is in UTC.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
