"""Projects `loyalty_tier`: a customer's tier in each campaign, one row per campaign. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import (
    CustomerDeleted,
    TierDowngraded,
    TierExpirationChanged,
    TierJoined,
    TierLeft,
    TierMove,
    TierProlonged,
    TierUpgraded,
)
from projector.facts.observations import CustomerAbsent, TierObserved
from projector.projections.projection import Memberships, Projection
from projector.projections.tier_observations import (
    absent,
    correct,
    leave_by_deletion,
    observed,
)
from projector.projections.tier_row import Row, begins_period, campaign_name, enter, leave, refresh

__all__ = ["PROJECTION", "Fact", "Row", "State", "begins_period"]

#: Tiers by campaign id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", TierJoined, TierMove, TierProlonged | TierExpirationChanged, TierLeft)


def joined(row: Row, fact: TierJoined, key: CanonicalKey) -> Row:
    """Enter a tier; refresh it if it is the present one."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        expires_on = expires_on or row.expires_on
        return refresh(row, fact, key, tier, expires_on, row.previous_tier_id)
    return enter(row, fact, key, tier, fact.created_at or key.occurred_at, expires_on)


def moved(row: Row, fact: TierMove, key: CanonicalKey) -> Row:
    """Apply an upgrade or a downgrade; one from an unknown tier proves a lost move onto that tier.

    So it does while the customer is on the new tier already: they had left it, and came back now.
    """
    tier = fact.loyalty_tier_to
    expires_on = tier.expires_on
    came_from = fact.loyalty_tier_from.id if fact.loyalty_tier_from is not None else None
    is_known = came_from in (None, tier.id, row.tier_id, row.previous_tier_id)
    if is_known and row.tier_id == tier.id:
        previous = came_from or row.previous_tier_id
        return refresh(row, fact, key, tier, expires_on or row.expires_on, previous)
    joined_at = fact.created_at or key.occurred_at
    return enter(row, fact, key, tier, joined_at, expires_on, came_from, gaps=not is_known)


def prolonged(row: Row, fact: TierProlonged | TierExpirationChanged, key: CanonicalKey) -> Row:
    """Set the last day of the tier; one that is not the present tier proves a lost delivery."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        return refresh(row, fact, key, tier, expires_on, row.previous_tier_id)
    return enter(row, fact, key, tier, None, expires_on, gaps=1)


def left(row: Row, fact: TierLeft, key: CanonicalKey) -> Row:
    """Leave the present tier.

    Leaving the previous tier only accompanies a move, and changes no more than the campaign's name.
    Leaving any other tier proves a lost delivery.
    """
    tier_id = fact.loyalty_tier.id
    name = campaign_name(row, fact)
    if row.tier_id == tier_id:
        return leave(row, key, name)
    if row.previous_tier_id == tier_id:
        if name == row.campaign_name:
            return row
        return replace(row, campaign_name=name, changed_by=key.event_id)
    counted = replace(row, campaign_name=name, gaps=row.gaps + 1, changed_by=key.event_id)
    if row.tier_id is None:
        return replace(counted, previous_tier_id=tier_id, left_at=key.occurred_at)
    return replace(counted, certain=False)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Leave all present tiers."""
    return {campaign_id: leave_by_deletion(row, key) for campaign_id, row in state.items()}


def _observe_campaign(state: State, fact: TierObserved, key: CanonicalKey) -> State:
    """Apply an observation to the row of its campaign."""
    new_row = observed(state.get(fact.campaign_id), fact, key)
    return state if new_row is None else {**state, fact.campaign_id: new_row}


def _in_campaign(
    change: Callable[[Row, Fact, CanonicalKey], Row], state: State, fact: Fact, key: CanonicalKey
) -> State:
    """Apply a fact to the row of its campaign."""
    campaign_id = fact.campaign_id
    row = state.get(campaign_id)
    new_row = change(Row(campaign_id) if row is None else correct(row, fact, key), fact, key)
    return state if new_row is row else {**state, campaign_id: new_row}


def to_rows(state: State) -> list[Row]:
    """Return one row per campaign in which the customer has or had a tier."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """Invert `to_rows`."""
    return {row.campaign_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="loyalty_tier",
    version=3,
    row=Row,
    key=("campaign_id",),
    # For lists of a tier's members, in their sort order; and for counting overdue tiers.
    indexes=(("tier_id", "project_id", "customer_id", "campaign_id"), ("expires_on",)),
    memberships=Memberships(
        group_id="tier_id",
        campaign_id="campaign_id",
        names=("campaign_name", "tier_name"),
        since="joined_at",
        seen="seen_at",
    ),
    initial={},
    evolvers={
        TierJoined: partial(_in_campaign, joined),
        TierUpgraded: partial(_in_campaign, moved),
        TierDowngraded: partial(_in_campaign, moved),
        TierProlonged: partial(_in_campaign, prolonged),
        TierExpirationChanged: partial(_in_campaign, prolonged),
        TierLeft: partial(_in_campaign, left),
        CustomerDeleted: deleted,
        TierObserved: _observe_campaign,
        CustomerAbsent: absent,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
