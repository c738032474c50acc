"""What the source said of one customer, by an answer of the API or a line of a file. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from projector.envelope import CustomerKey, Envelope
from projector.reconcile import observation
from projector.reconcile.observation import Instants

#: How an answer or a line is kept beside what it says: JSON.
Evidence = Mapping[str, Any]


@frozen(kw_only=True)
class SegmentsSeen:
    """The segments that a customer was in."""

    instants: Instants
    #: Names by id.
    segments: Mapping[str, str | None]
    #: The ids that were looked at; None for all there are.
    scope: frozenset[str] | None
    evidence: Evidence = field(factory=dict)


@frozen(kw_only=True)
class TierSeen:
    """The tier that a customer had in a campaign; None for no tier."""

    instants: Instants
    campaign_id: str
    campaign_name: str | None = None
    tier: Mapping[str, Any] | None
    evidence: Evidence = field(factory=dict)

    @property
    def tier_id(self) -> str | None:
        """The id of the tier."""
        return None if self.tier is None else str(self.tier["id"])


@frozen(kw_only=True)
class AbsenceSeen:
    """The customer was not there."""

    instants: Instants
    evidence: Evidence = field(factory=dict)


@frozen(kw_only=True)
class Problem:
    """Why something that the source said cannot be used."""

    #: None if it concerns all customers.
    customer_id: str | None = None
    campaign_id: str | None = None
    segment_id: str | None = None
    #: A code: see docs/reconcile.md.
    reason: str
    #: A sentence for people.
    detail: str


@frozen(kw_only=True)
class Sighting:
    """All that the source said of one customer."""

    key: CustomerKey
    absence: AbsenceSeen | None = None
    segments: SegmentsSeen | None = None
    tiers: tuple[TierSeen, ...] = ()
    #: When the customer was created, at the source.
    created_at: datetime | None = None
    problems: tuple[Problem, ...] = ()


@frozen
class Place:
    """A row of a customer: of a segment, of a campaign, or (neither) the customer."""

    segment_id: str | None = None
    campaign_id: str | None = None


def observations(
    seen: Sighting,
    *,
    run_id: str,
    silent: Iterable[str],
    ours: Iterable[str],
    without: frozenset[Place],
) -> list[Envelope]:
    """Return the events that hold what was seen, except at some places.

    `silent` are the segments of which no event is ever sent, `ours` those in which we have a row of
    the customer.
    """
    found = []
    if seen.absence is not None and Place() not in without:
        evidence = {"run": run_id, **seen.absence.evidence}
        absence = seen.absence.instants
        found.append(observation.customer_absent(seen.key, absence, evidence=evidence))
    if seen.segments is not None:
        event = _segments_event(seen.key, seen.segments, run_id, {*silent}, {*ours}, without)
        found += [] if event is None else [event]
    found += [
        observation.tier_observed(
            seen.key,
            each.instants,
            campaign_id=each.campaign_id,
            campaign_name=each.campaign_name,
            loyalty_tier=each.tier,
            evidence={"run": run_id, **each.evidence},
        )
        for each in seen.tiers
        if Place(campaign_id=each.campaign_id) not in without
    ]
    return found


def _segments_event(
    key: CustomerKey,
    seen: SegmentsSeen,
    run_id: str,
    silent: set[str],
    ours: set[str],
    without: frozenset[Place],
) -> Envelope | None:
    """Return the event; None if no segment is left that may be stated."""
    left_out = {each.segment_id for each in without if each.segment_id is not None}
    scope = seen.scope
    if left_out and scope is None:
        # Nothing can be left out of "all there are": name all that could have changed instead.
        scope = frozenset(seen.segments.keys() | ours)
    if scope is not None:
        scope = scope - left_out
        if not scope:
            return None
    return observation.segments_observed(
        key,
        seen.instants,
        segments={
            segment_id: name
            for segment_id, name in seen.segments.items()
            if scope is None or segment_id in scope
        },
        silent=silent if scope is None else silent & scope,
        scope=scope,
        evidence={"run": run_id, **seen.evidence},
    )
