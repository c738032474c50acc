"""Builds the events that hold what the source said of one customer: observations. PURE.

An observation is what was true of a customer at some instant of a window, while the source was
read. It is filed at the beginning of that window, never at its end: there it would overrule events
that came after it was read. ADR 0025 says more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from attrs import frozen

from projector.envelope import CustomerKey, Envelope, Shape, id_problem
from projector.facts.observations import CUSTOMER_ABSENT, SEGMENTS_OBSERVED, TIER_OBSERVED
from projector.projections.observing import IN_FLIGHT
from projector.text.instants import to_text, to_utc

#: The time that the source may take from an event to its lists.
MARGIN = timedelta(seconds=60)

#: The same for a file, whose time people state.
FILE_MARGIN = timedelta(minutes=10)

#: The longest window of an observation: the time within which a fold takes an event for what the
#: observation saw.
WINDOW_MAX = IN_FLIGHT

#: The precision of a `Date` header.
_DATE_PRECISION = timedelta(seconds=1)

#: JSON as `json` writes it: objects, arrays, text, numbers, booleans, null.
Json = Any


class WindowTooLong(ValueError):
    """A window that is longer than WINDOW_MAX, or ends before it begins: it proves too little."""


@frozen
class Instants:
    """The window of an observation: what was seen was true at one instant of it.

    Raises WindowTooLong.
    """

    #: The beginning, in UTC, which is the time of the event.
    t0: datetime
    until: datetime

    def __attrs_post_init__(self) -> None:
        length = to_utc(self.until) - to_utc(self.t0)
        if not timedelta(0) <= length <= WINDOW_MAX:
            raise WindowTooLong(
                f"the window from {to_text(self.t0)} until {to_text(self.until)} is longer than "
                f"{WINDOW_MAX.total_seconds() / 60:.0f} minutes, or ends before it begins"
            )

    @classmethod
    def of_answer(
        cls, date: datetime, *, sent: datetime, answered: datetime, margin: timedelta = MARGIN
    ) -> Instants:
        """Return the window of an answer by its `Date` header, in the clock of the source.

        Our own clock, which reads `sent` and `answered`, only measures how long the answer took: if
        it were ahead, an observation would overrule events that it never saw.
        """
        taken = answered - sent
        if taken < timedelta(0):
            raise WindowTooLong("our clock went backwards while the source was asked")
        date = to_utc(date)
        return cls(date - taken - margin, date + _DATE_PRECISION)

    @classmethod
    def of_file(cls, observed_at: datetime, *, margin: timedelta = FILE_MARGIN) -> Instants:
        """Return the window of a file that was written at an instant."""
        observed_at = to_utc(observed_at)
        return cls(observed_at - margin, observed_at + _DATE_PRECISION)

    def and_(self, *others: Instants) -> Instants:
        """Return the window around this one and others, of one observation by several requests."""
        windows = (self, *others)
        return Instants(min(each.t0 for each in windows), max(each.until for each in windows))


def segments_observed(
    customer: CustomerKey,
    instants: Instants,
    *,
    segments: Mapping[str, str | None],
    silent: Iterable[str] = (),
    scope: Iterable[str] | None = None,
    evidence: Mapping[str, Json],
) -> Envelope:
    """Build the observation of the segments that a customer was in, by id with their names.

    `scope` has the ids of the segments that were looked at, those that the customer was not in
    too; None for all there are. `silent` are those of them whose entries and leaves the source
    never announces. Raises ValueError for an invalid id, and for a segment outside the scope.
    """
    known = None if scope is None else sorted({*scope})
    if known is not None and not segments.keys() <= set(known):
        raise ValueError("a segment that was seen is not in the scope")
    for segment_id in (*segments, *(known or ())):
        _check_id("segment", segment_id)
    data = {
        "segments": [
            {"id": segment_id, "name": name, "object": "segment"}
            for segment_id, name in sorted(segments.items())
        ],
        "silent": sorted({*silent}),
        "scope": known,
    }
    return _envelope(SEGMENTS_OBSERVED, customer, instants, data, evidence)


def tier_observed(
    customer: CustomerKey,
    instants: Instants,
    *,
    campaign_id: str,
    campaign_name: str | None = None,
    loyalty_tier: Mapping[str, Json] | None,
    evidence: Mapping[str, Json],
) -> Envelope:
    """Build the observation of the tier that a customer had in a campaign; None for no tier.

    `loyalty_tier` is the whole object of the source, with `expiration`. Raises ValueError for an
    invalid id.
    """
    _check_id("campaign", campaign_id)
    if loyalty_tier is not None:
        _check_id("tier", loyalty_tier.get("id"))
    data = {
        "campaign": {"id": campaign_id, "name": campaign_name},
        "loyalty_tier": None if loyalty_tier is None else dict(loyalty_tier),
    }
    return _envelope(TIER_OBSERVED, customer, instants, data, evidence)


def customer_absent(
    customer: CustomerKey, instants: Instants, *, evidence: Mapping[str, Json]
) -> Envelope:
    """Build the observation that the source does not know a customer (any more)."""
    return _envelope(CUSTOMER_ABSENT, customer, instants, {}, evidence)


def _envelope(
    type_: str,
    customer: CustomerKey,
    instants: Instants,
    data: Mapping[str, Json],
    evidence: Mapping[str, Json],
) -> Envelope:
    """Return the event; its id depends on what was seen of whom and when, not on the evidence."""
    _check_id("customer", customer.customer_id)
    occurred_at, until = to_utc(instants.t0), to_text(instants.until)
    data = {"customer": {"id": customer.customer_id}, **data}
    event_id = _event_id(type_, *customer, to_text(occurred_at), until, _canonical(data))
    body = {
        "id": event_id,
        "type": type_,
        "created_at": to_text(occurred_at),
        "project_id": customer.project_id,
        "data": data,
        "evidence": {**evidence, "until": until},
    }
    return Envelope(
        project_id=customer.project_id,
        event_id=event_id,
        type=type_,
        customer_id=customer.customer_id,
        occurred_at=occurred_at,
        source=Shape.RECONCILE.value,
        body=msgspec.json.encode(body).decode(),
    )


def _canonical(data: Mapping[str, Json]) -> str:
    return msgspec.json.encode(data, order="sorted").decode()


def _event_id(*parts: str) -> str:
    """Hash parts, each with its length, so that no two lists of parts have the same input."""
    digest = hashlib.sha256()
    for part in map(str.encode, parts):
        digest.update(len(part).to_bytes(8))
        digest.update(part)
    return f"obs_{digest.hexdigest()[:40]}"


def _check_id(name: str, value: object) -> None:
    problem = id_problem(value)
    if problem:
        raise ValueError(f"The {name}'s id {problem}.")
