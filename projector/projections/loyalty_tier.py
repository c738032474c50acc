"""loyalty_tier: which tier a customer has in each loyalty campaign, one row a campaign. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import (
    CustomerDeleted,
    Tier,
    TierDowngraded,
    TierExpirationChanged,
    TierFact,
    TierJoined,
    TierLeft,
    TierMove,
    TierProlonged,
    TierUpgraded,
)
from projector.projections.projection import Identifier, Projection
from projector.text.instants import to_utc


class Row(Struct, frozen=True):
    """A customer's tier in one campaign; `tier_id` is null while there is none."""

    campaign_id: Identifier
    campaign_name: str | None = None
    tier_id: Identifier | None = None
    tier_name: str | None = None
    points_from: int | None = None
    points_to: int | None = None
    joined_at: datetime | None = None
    expires_on: date | None = None
    previous_tier_id: Identifier | None = None
    left_at: datetime | None = None
    #: Whether the present value still follows from the evidence.
    certain: bool = True
    #: How many deliveries are proven to be lost.
    gaps: int = 0
    #: The id of the event that last changed the row.
    changed_by: Identifier = ""


#: Tiers by campaign id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", TierJoined, TierMove, TierProlonged | TierExpirationChanged, TierLeft)


def joined(row: Row, fact: TierJoined, key: CanonicalKey) -> Row:
    """Joining the present tier again only refreshes it."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        until = expires_on or row.expires_on
        return _refresh(row, fact, key, tier, until, row.previous_tier_id)
    return _enter(row, fact, key, tier, fact.created_at or key.occurred_at, expires_on)


def moved(row: Row, fact: TierMove, key: CanonicalKey) -> Row:
    """An upgrade or a downgrade; one from a tier that was never seen proves a loss."""
    tier = fact.loyalty_tier_to
    expires_on = tier.expires_on
    came_from = fact.loyalty_tier_from.id if fact.loyalty_tier_from is not None else None
    if row.tier_id == tier.id:
        previous = came_from or row.previous_tier_id
        return _refresh(row, fact, key, tier, expires_on or row.expires_on, previous)
    unseen = came_from is not None and came_from not in (row.tier_id, row.previous_tier_id)
    joined_at = fact.created_at or key.occurred_at
    return _enter(row, fact, key, tier, joined_at, expires_on, came_from, gaps=unseen)


def prolonged(row: Row, fact: TierProlonged | TierExpirationChanged, key: CanonicalKey) -> Row:
    """The tier holds until another day; one that the customer was not on proves a loss."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        return _refresh(row, fact, key, tier, expires_on, row.previous_tier_id)
    return _enter(row, fact, key, tier, None, expires_on, gaps=1)


def left(row: Row, fact: TierLeft, key: CanonicalKey) -> Row:
    """Leaving the previous tier accompanies a move; leaving an unseen one proves a loss."""
    tier_id = fact.loyalty_tier.id
    name = _campaign_name(row, fact)
    if row.tier_id == tier_id:
        return _leave(row, key, name)
    if row.previous_tier_id == tier_id:
        return row
    lost = replace(row, campaign_name=name, gaps=row.gaps + 1, changed_by=key.event_id)
    if row.tier_id is None:
        return replace(lost, previous_tier_id=tier_id, left_at=key.occurred_at)
    return replace(lost, certain=False)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every tier that holds is left with the customer."""
    return {
        campaign_id: row if row.tier_id is None else _leave(row, key, row.campaign_name)
        for campaign_id, row in state.items()
    }


def _in_campaign(
    change: Callable[[Row, Fact, CanonicalKey], Row], state: State, fact: Fact, key: CanonicalKey
) -> State:
    """The state after a fact that changes the row of its campaign."""
    campaign_id = fact.campaign_id
    row = state.get(campaign_id)
    now = change(Row(campaign_id) if row is None else row, fact, key)
    return state if now is row else {**state, campaign_id: now}


def _campaign_name(row: Row, fact: TierFact | TierMove) -> str | None:
    campaign = fact.campaign
    return row.campaign_name if campaign is None or campaign.name is None else campaign.name


def _enter(
    row: Row,
    fact: TierFact | TierMove,
    key: CanonicalKey,
    tier: Tier,
    joined_at: datetime | None,
    expires_on: date | None,
    came_from: str | None = None,
    *,
    gaps: int = 0,
) -> Row:
    points_from, points_to = tier.range
    return Row(
        row.campaign_id,
        _campaign_name(row, fact),
        tier.id,
        tier.name,
        points_from,
        points_to,
        joined_at and to_utc(joined_at),
        expires_on,
        came_from or row.tier_id or row.previous_tier_id,
        None,
        True,
        row.gaps + gaps,
        key.event_id,
    )


def _refresh(
    row: Row,
    fact: TierFact | TierMove,
    key: CanonicalKey,
    tier: Tier,
    expires_on: date | None,
    previous_tier_id: str | None,
) -> Row:
    """The row with what the event tells of its tier; the very same row if that is nothing new."""
    campaign_name, (points_from, points_to) = _campaign_name(row, fact), tier.range
    told = (campaign_name, tier.name, points_from, points_to, expires_on, previous_tier_id, True)
    known = (
        row.campaign_name,
        row.tier_name,
        row.points_from,
        row.points_to,
        row.expires_on,
        row.previous_tier_id,
        row.certain,
    )
    if told == known:
        return row
    return Row(
        row.campaign_id,
        campaign_name,
        row.tier_id,
        tier.name,
        points_from,
        points_to,
        row.joined_at,
        expires_on,
        previous_tier_id,
        None,
        True,
        row.gaps,
        key.event_id,
    )


def _leave(row: Row, key: CanonicalKey, campaign_name: str | None) -> Row:
    return Row(
        row.campaign_id,
        campaign_name,
        previous_tier_id=row.tier_id,
        left_at=key.occurred_at,
        gaps=row.gaps,
        changed_by=key.event_id,
    )


def to_rows(state: State) -> list[Row]:
    """One row a campaign that the customer has or had a tier in."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """The inverse of to_rows."""
    return {row.campaign_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="loyalty_tier",
    version=1,
    row=Row,
    key=("campaign_id",),
    # Who is on a tier, in the order in which they are listed.
    indexes=(("tier_id", "project_id", "customer_id", "campaign_id"),),
    initial={},
    evolvers={
        TierJoined: partial(_in_campaign, joined),
        TierUpgraded: partial(_in_campaign, moved),
        TierDowngraded: partial(_in_campaign, moved),
        TierProlonged: partial(_in_campaign, prolonged),
        TierExpirationChanged: partial(_in_campaign, prolonged),
        TierLeft: partial(_in_campaign, left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
