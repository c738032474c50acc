"""Returns what an event states of the group that the customer was in until then. PURE."""

from __future__ import annotations

from projector.facts.events import (
    DecodedFact,
    SegmentLeft,
    TierExpirationChanged,
    TierLeft,
    TierMove,
    TierProlonged,
)
from projector.facts.observations import TierObserved


def left_behind(fact: DecodedFact | None) -> str | None:
    """Return the id of the group in which the customer was until an event, as far as it says so."""
    if isinstance(fact, SegmentLeft):
        return fact.segment.id
    if isinstance(fact, TierLeft):
        return fact.loyalty_tier.id
    if isinstance(fact, TierMove) and fact.loyalty_tier_from is not None:
        return fact.loyalty_tier_from.id
    return None


def still_on(fact: DecodedFact | None) -> str | None:
    """Return the id of the tier that the customer was on until an event, as far as it says so."""
    if isinstance(fact, TierObserved):
        return None if fact.loyalty_tier is None else fact.loyalty_tier.id
    if isinstance(fact, TierProlonged | TierExpirationChanged):
        return fact.loyalty_tier.id
    return left_behind(fact)
