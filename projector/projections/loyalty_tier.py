"""Projects `loyalty_tier`: a customer's tier in each campaign, one row per campaign. PURE."""

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
from projector.projections.projection import Identifier, Memberships, Projection
from projector.text.instants import to_utc


class Row(Struct, frozen=True):
    """A customer's tier in one campaign; `tier_id` is null while the customer has none."""

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
    #: Whether the present tier still follows from the evidence.
    certain: bool = True
    #: The number of deliveries that are proven to be lost.
    gaps: int = 0
    #: The id of the event that last changed the row.
    changed_by: Identifier = ""


#: Tiers by campaign id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", TierJoined, TierMove, TierProlonged | TierExpirationChanged, TierLeft)


def joined(row: Row, fact: TierJoined, key: CanonicalKey) -> Row:
    """Enter a tier; refresh it if it is the present one."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        expires_on = expires_on or row.expires_on
        return _refresh(row, fact, key, tier, expires_on, row.previous_tier_id)
    return _enter(row, fact, key, tier, fact.created_at or key.occurred_at, expires_on)


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
        return _refresh(row, fact, key, tier, expires_on or row.expires_on, previous)
    joined_at = fact.created_at or key.occurred_at
    return _enter(row, fact, key, tier, joined_at, expires_on, came_from, gaps=not is_known)


def prolonged(row: Row, fact: TierProlonged | TierExpirationChanged, key: CanonicalKey) -> Row:
    """Set the last day of the tier; one that is not the present tier proves a lost delivery."""
    tier, expires_on = fact.loyalty_tier, fact.expires_on
    if row.tier_id == tier.id:
        return _refresh(row, fact, key, tier, expires_on, row.previous_tier_id)
    return _enter(row, fact, key, tier, None, expires_on, gaps=1)


def left(row: Row, fact: TierLeft, key: CanonicalKey) -> Row:
    """Leave the present tier.

    Leaving the previous tier only accompanies a move, and changes no more than the campaign's name.
    Leaving any other tier proves a lost delivery.
    """
    tier_id = fact.loyalty_tier.id
    name = _campaign_name(row, fact)
    if row.tier_id == tier_id:
        return _leave(row, key, name)
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
    return {
        campaign_id: row if row.tier_id is None else _leave(row, key, row.campaign_name)
        for campaign_id, row in state.items()
    }


def _in_campaign(
    change: Callable[[Row, Fact, CanonicalKey], Row], state: State, fact: Fact, key: CanonicalKey
) -> State:
    """Apply a fact to the row of its campaign."""
    campaign_id = fact.campaign_id
    row = state.get(campaign_id)
    new_row = change(Row(campaign_id) if row is None else row, fact, key)
    return state if new_row is row else {**state, campaign_id: new_row}


def begins_period(before: Row, after: Row) -> bool:
    """Return whether a change of a row begins a period on a tier.

    It may be the tier that the customer was on: then a delivery about another tier between the two
    periods is lost.
    """
    if after.tier_id is None:
        return False
    returned = after.gaps > before.gaps and after.certain
    return after.tier_id != before.tier_id or returned


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
    name, points_from, points_to = _labels(row, tier)
    return Row(
        row.campaign_id,
        _campaign_name(row, fact),
        tier.id,
        name,
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
    """Update the row of the present tier; return the same object if nothing changes."""
    campaign_name, (name, points_from, points_to) = _campaign_name(row, fact), _labels(row, tier)
    new = (campaign_name, name, points_from, points_to, expires_on, previous_tier_id, True)
    old = (
        row.campaign_name,
        row.tier_name,
        row.points_from,
        row.points_to,
        row.expires_on,
        row.previous_tier_id,
        row.certain,
    )
    if new == old:
        return row
    return Row(
        row.campaign_id,
        campaign_name,
        row.tier_id,
        name,
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


def _labels(row: Row, tier: Tier) -> tuple[str | None, int | None, int | None]:
    """Return the name and the range of points that an event shows of a tier.

    What it does not show stays as it is known, as long as the customer is on that tier.
    """
    name, points = tier.name, tier.range
    if row.tier_id == tier.id:
        name = row.tier_name if name is None else name
        points = (row.points_from, row.points_to) if points is None else points
    return name, *(points or (None, None))


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
    """Return one row per campaign in which the customer has or had a tier."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """Invert `to_rows`."""
    return {row.campaign_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="loyalty_tier",
    version=2,
    row=Row,
    key=("campaign_id",),
    # For lists of a tier's members, in their sort order; and for counting overdue tiers.
    indexes=(("tier_id", "project_id", "customer_id", "campaign_id"), ("expires_on",)),
    memberships=Memberships(
        group_id="tier_id",
        campaign_id="campaign_id",
        names=("campaign_name", "tier_name"),
        since="joined_at",
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
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
