"""Defines the row of `loyalty_tier`, and its changes, which several facts make. PURE."""

from __future__ import annotations

from datetime import date, datetime

from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import Tier, TierFact, TierMove
from projector.facts.observations import TierObserved
from projector.projections.projection import Identifier
from projector.text.instants import to_utc

#: A fact that names a campaign.
CampaignFact = TierFact | TierMove | TierObserved


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
    #: When the source was last asked for the customer's tier; null if never.
    observed_at: datetime | None = None
    #: The number of gaps that were known then. Those above it are open.
    settled: int = 0
    #: When the source was asked if its answer set the tier, or that there is none; null if an event
    #: did, or came since.
    seen_at: datetime | None = None
    #: Whether that answer proves no lost delivery, because none was to be expected.
    silent: bool = False


def begins_period(before: Row, after: Row) -> bool:
    """Return whether a change of a row begins a period on a tier.

    It may be the tier that the customer was on: then a delivery about another tier between the two
    periods is lost.
    """
    if after.tier_id is None:
        return False
    returned = after.gaps > before.gaps and after.certain
    return after.tier_id != before.tier_id or returned


def campaign_name(row: Row, fact: CampaignFact) -> str | None:
    """Return the campaign's name that a fact shows, or else the known one."""
    campaign = fact.campaign
    return row.campaign_name if campaign is None or campaign.name is None else campaign.name


def enter(
    row: Row,
    fact: CampaignFact,
    key: CanonicalKey,
    tier: Tier,
    joined_at: datetime | None,
    expires_on: date | None,
    came_from: str | None = None,
    *,
    gaps: int = 0,
) -> Row:
    """Return the row of a customer who is on another tier from now on, by `gaps` lost deliveries.

    `came_from` is the tier that the fact names as the one before, if it does.
    """
    name, points_from, points_to = labels(row, tier)
    return Row(
        row.campaign_id,
        campaign_name(row, fact),
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
        row.observed_at,
        row.settled,
    )


def refresh(
    row: Row,
    fact: CampaignFact,
    key: CanonicalKey,
    tier: Tier,
    expires_on: date | None,
    previous_tier_id: str | None,
) -> Row:
    """Update the row of the present tier; return the same object if nothing changes."""
    campaign, (name, points_from, points_to) = campaign_name(row, fact), labels(row, tier)
    new = (campaign, name, points_from, points_to, expires_on, previous_tier_id, True)
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
        campaign,
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
        row.observed_at,
        row.settled,
        row.seen_at,
        row.silent,
    )


def labels(row: Row, tier: Tier) -> tuple[str | None, int | None, int | None]:
    """Return the name and the range of points that an event shows of a tier.

    What it does not show stays as it is known, as long as the customer is on that tier.
    """
    name, points = tier.name, tier.range
    if row.tier_id == tier.id:
        name = row.tier_name if name is None else name
        points = (row.points_from, row.points_to) if points is None else points
    return name, *(points or (None, None))


def leave(row: Row, key: CanonicalKey, name: str | None) -> Row:
    """Return the row of a customer who is on no tier any more; `name` is the campaign's."""
    return Row(
        row.campaign_id,
        name,
        previous_tier_id=row.tier_id,
        left_at=key.occurred_at,
        gaps=row.gaps,
        changed_by=key.event_id,
        observed_at=row.observed_at,
        settled=row.settled,
    )
