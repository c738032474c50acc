"""A customer's state from rows: which segments and tiers, since when, how certain. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections import customer, loyalty_tier, segment_membership
from projector.projections.projection import Projection

#: The projections whose rows make up a customer's state.
PROJECTIONS: tuple[Projection, ...] = (
    customer.PROJECTION,
    segment_membership.PROJECTION,
    loyalty_tier.PROJECTION,
)


@frozen(kw_only=True)
class CustomerSegment:
    """A segment that the customer is a member of."""

    segment_id: str
    name: str | None
    #: Null if the delivery of the entry was lost.
    entered_at: datetime | None
    #: When the source was asked, if only its answer shows the membership; else null.
    seen_at: datetime | None


@frozen(kw_only=True)
class CustomerTier:
    """The tier that a customer has in a campaign."""

    campaign_id: str
    campaign_name: str | None
    tier_id: str
    name: str | None
    points_from: int | None
    points_to: int | None
    joined_at: datetime | None
    #: When the source was asked, if only its answer shows the tier; else null.
    seen_at: datetime | None
    expires_on: date | None
    #: Whether the tier still follows from the evidence.
    certain: bool
    #: Whether its last day had passed on the day of the query, and no event since has said so.
    overdue: bool


@frozen(kw_only=True)
class CustomerState:
    """A customer's state; the arrays are sorted by id."""

    project_id: str
    customer_id: str
    source_id: str | None
    name: str | None
    email: str | None
    deleted_at: datetime | None
    segments: tuple[CustomerSegment, ...]
    tiers: tuple[CustomerTier, ...]
    #: False while an event of the customer could not be folded.
    complete: bool
    #: The number of deliveries that are proven to be lost.
    gaps: int
    #: Those of them that were proven lost since the source was last asked.
    gaps_open: int
    #: The position of the log up to which the state reflects every event.
    position: int
    last_event_at: datetime | None
    #: When the source was last asked for all the customer's segments, or for the customer; null if
    #: never.
    checked_at: datetime | None


def state_from_rows(
    key: CustomerKey,
    *,
    rows: Mapping[str, Sequence[Any]],
    complete: bool,
    position: int,
    day: date,
) -> CustomerState | None:
    """Build the state of a customer from its rows by projection; None if nothing is known.

    `day` is the day of the query, in UTC: tiers that should have ended before it are overdue.
    """
    customers, memberships, tiers = (rows.get(each.name, ()) for each in PROJECTIONS)
    if complete and not (customers or memberships or tiers):
        return None
    profile = customers[0] if customers else None
    return CustomerState(
        project_id=key.project_id,
        customer_id=key.customer_id,
        source_id=profile.source_id if profile else None,
        name=profile.name if profile else None,
        email=profile.email if profile else None,
        deleted_at=profile.deleted_at if profile else None,
        segments=_segments(memberships),
        tiers=_tiers(tiers, day),
        complete=complete,
        gaps=sum(row.gaps for row in memberships) + sum(row.gaps for row in tiers),
        gaps_open=sum(row.gaps - row.settled for row in (*memberships, *tiers)),
        position=position,
        last_event_at=profile.last_event_at if profile else None,
        checked_at=profile.checked_at if profile else None,
    )


def is_overdue(row: loyalty_tier.Row, day: date) -> bool:
    """Return whether the last day of a row's tier lies before a day.

    Then the delivery that the tier was left or prolonged is late or lost, or was never sent.
    """
    return row.tier_id is not None and row.expires_on is not None and row.expires_on < day


def _segments(rows: Sequence[segment_membership.Row]) -> tuple[CustomerSegment, ...]:
    return tuple(
        CustomerSegment(
            segment_id=row.segment_id,
            name=row.segment_name,
            entered_at=row.entered_at,
            seen_at=row.seen_at,
        )
        for row in sorted(rows, key=lambda row: row.segment_id)
        if row.is_member
    )


def _tiers(rows: Sequence[loyalty_tier.Row], day: date) -> tuple[CustomerTier, ...]:
    return tuple(
        CustomerTier(
            campaign_id=row.campaign_id,
            campaign_name=row.campaign_name,
            tier_id=row.tier_id,
            name=row.tier_name,
            points_from=row.points_from,
            points_to=row.points_to,
            joined_at=row.joined_at,
            seen_at=row.seen_at,
            expires_on=row.expires_on,
            certain=row.certain,
            overdue=is_overdue(row, day),
        )
        for row in sorted(rows, key=lambda row: row.campaign_id)
        if row.tier_id is not None
    )
