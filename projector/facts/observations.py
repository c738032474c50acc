"""Defines the facts of observations: what the source said of one customer when asked. PURE.

The program writes these events itself; `projector.reconcile.observation` builds them.
"""

from __future__ import annotations

from attrs import frozen

from projector.facts.events import Campaign, CustomerFact, Id, Segment, Tier

#: The event types.
SEGMENTS_OBSERVED = "projector.segments.observed"
TIER_OBSERVED = "projector.tier.observed"
CUSTOMER_ABSENT = "projector.customer.absent"


@frozen(kw_only=True)
class Observation(CustomerFact):
    """The base of observations. They count as no event of the customer."""


@frozen(kw_only=True)
class SegmentsObserved(Observation):
    """projector.segments.observed: the segments that a customer was in."""

    segments: tuple[Segment, ...]
    #: The ids of segments of which the source announces no entries and leaves.
    silent: frozenset[Id] = frozenset()
    #: The ids of the segments that were looked at; None for all there are.
    scope: frozenset[Id] | None = None

    def looks_at(self, segment_id: str) -> bool:
        """Return whether it says if the customer was in a segment."""
        if self.scope is None or segment_id in self.scope:
            return True
        return any(each.id == segment_id for each in self.segments)


@frozen(kw_only=True)
class ObservedCampaign(Campaign):
    """The campaign of an observed tier, which always has its id."""

    id: Id


@frozen(kw_only=True)
class TierObserved(Observation):
    """projector.tier.observed: the tier that a customer had in a campaign, or none."""

    campaign: ObservedCampaign
    #: None if the customer had no tier.
    loyalty_tier: Tier | None

    @property
    def campaign_id(self) -> str:
        """The id of the campaign."""
        return self.campaign.id


@frozen(kw_only=True)
class CustomerAbsent(Observation):
    """projector.customer.absent: the source did not know the customer."""


#: The classes of observations by event type.
OBSERVATIONS: dict[str, type[Observation]] = {
    SEGMENTS_OBSERVED: SegmentsObserved,
    TIER_OBSERVED: TierObserved,
    CUSTOMER_ABSENT: CustomerAbsent,
}
