"""Estimates what a backfill costs, before it sends a request. PURE."""

from __future__ import annotations

from math import ceil

from attrs import frozen

from projector.backfill.options import BackfillOptions
from projector.voucherify.pages import PAGE_ENTRIES_MAX

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


@frozen(kw_only=True)
class Estimate:
    """The least that a backfill costs; None for what only the API knows."""

    #: The customers whose activity will be read, and those who are left out because they are fresh.
    customers: int | None
    fresh: int | None
    requests: int | None
    seconds: int | None
    requests_max: int


def estimate(
    customers: int | None, *, fresh: int | None, options: BackfillOptions, more_requests: int = 0
) -> Estimate:
    """Estimate the cost: a page for each customer and scope, and `more_requests`."""
    scopes = len(options.scopes)
    requests = None if customers is None else customers * scopes + more_requests
    return Estimate(
        customers=customers,
        fresh=fresh,
        requests=requests,
        seconds=None if requests is None else ceil(requests * _MINUTE / options.per_minute),
        requests_max=options.requests_max,
    )


def list_requests(customers: int) -> int:
    """Return the number of requests that list some customers, at the least."""
    return max(ceil(customers / PAGE_ENTRIES_MAX), 1)


def sentence(found: Estimate, per_minute: float) -> str:
    """Return the estimate as a sentence for people."""
    budget = f"The budget is {found.requests_max:,}."
    if found.customers is None or found.requests is None or found.seconds is None:
        return f"Only Voucherify knows how many customers these are. {budget}"
    customers = f"{found.customers:,} customer{'' if found.customers == 1 else 's'}"
    requests = f"{found.requests:,} request{'' if found.requests == 1 else 's'} or more"
    if not found.requests:
        return f"{customers}: no request is needed."
    duration = duration_text(found.seconds)
    return f"{customers}: {requests}, {duration} at {per_minute:g} a minute. {budget}"


def duration_text(seconds: float) -> str:
    """Return a length of time in its two largest units, such as `11 d 14 h`."""
    if seconds < _MINUTE:
        return f"{ceil(seconds)} s"
    if seconds < _HOUR:
        return f"{ceil(seconds / _MINUTE)} min"
    if seconds < _DAY:
        return _two(ceil(seconds / _MINUTE), 60, "h", "min")
    return _two(ceil(seconds / _HOUR), 24, "d", "h")


def _two(number: int, size: int, large: str, small: str) -> str:
    whole, rest = divmod(number, size)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
