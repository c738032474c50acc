"""Estimates what a comparison costs, before it reads a customer. PURE."""

from __future__ import annotations

from math import ceil

from attrs import frozen

from projector.backfill.cost import duration_text


@frozen(kw_only=True)
class Cost:
    """The least that a comparison costs; None for what only the API knows."""

    customers: int | None
    #: None if it is not known how many campaigns there are, each of which costs a request.
    requests: int | None
    seconds: int | None
    requests_max: int


def cost_of(
    customers: int | None,
    *,
    campaigns: int | None,
    list_requests: int,
    frame_requests: int,
    is_file: bool,
    per_minute: float,
    requests_max: int,
) -> Cost:
    """Estimate the cost.

    A customer is a request, and if there, one of segments and one in each campaign; with
    `list_requests` only suspects are, whose number is not known: so none is counted. A file costs
    nothing.
    """
    requests: int | None = 0 if is_file else None
    if campaigns is not None:
        each = 0 if list_requests else 2 + campaigns
        requests = (customers or 0) * each + list_requests + frame_requests
    return Cost(
        customers=customers,
        requests=requests,
        seconds=None if requests is None else ceil(requests * 60 / per_minute),
        requests_max=requests_max,
    )


def sentence(found: Cost, per_minute: float) -> str:
    """Return the estimate as a sentence for people."""
    budget = f"The budget is {found.requests_max:,}."
    customers = "Customers of Voucherify's list"
    if found.customers is not None:
        customers = f"{found.customers:,} customer{'' if found.customers == 1 else 's'}"
    if found.requests is None or found.seconds is None:
        return f"{customers}: only Voucherify knows in how many campaigns. {budget}"
    if not found.requests:
        return f"{customers}: no request is needed."
    requests = f"{found.requests:,} request{'' if found.requests == 1 else 's'} or more"
    duration = duration_text(found.seconds)
    return f"{customers}: {requests}, {duration} at {per_minute:g} a minute. {budget}"
