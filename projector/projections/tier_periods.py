"""Defines the periods of `loyalty_tier_history`, and how they begin and end. PURE."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import Tier
from projector.projections import tier_row
from projector.projections.periods import Periods
from projector.projections.projection import Identifier


class Row(Struct, frozen=True):
    """A period of a customer on a tier: on it from `valid_from` until before `valid_to`."""

    campaign_id: Identifier
    #: 1, 2, 3 … in canonical order, for each customer and campaign.
    period: int
    campaign_name: str | None
    tier_id: Identifier
    tier_name: str | None
    previous_tier_id: Identifier | None
    #: The time of joining that the events state, which may differ from the time of the event.
    joined_at: datetime | None
    #: The beginning: the time of the first event that shows the customer on the tier; null if none
    #: does.
    valid_from: datetime | None
    #: The end; null while the period lasts.
    valid_to: datetime | None
    #: The ids of the events at the beginning and at the end; null if the instant is.
    opened_by: Identifier | None
    closed_by: Identifier | None
    #: When the source was asked if its answer began the period, or ended it; null if an event did,
    #: or came since.
    seen_at: datetime | None = None


def correct_periods(periods: Periods[Row], tier: tier_row.Row, key: CanonicalKey) -> Periods[Row]:
    """Return the periods as an event shows them that an observation did not know yet.

    See `tier_observations.correct`, which gave the tier's row. A period before the last one stays
    as it is: it ends where the observation ended it.
    """
    last = periods.last
    if tier.changed_by != key.event_id:
        # The event is neither the one that was seen nor one before it.
        row = replace(last, seen_at=None)
    elif last.valid_to is not None:
        row = replace(last, valid_to=None, closed_by=None, seen_at=None)
    elif tier.tier_id == last.tier_id:
        row = replace(
            last,
            joined_at=tier.joined_at,
            valid_from=key.occurred_at,
            opened_by=key.event_id,
            seen_at=None,
        )
    else:
        row = replace(
            last, tier_id=tier.tier_id, tier_name=None, previous_tier_id=None, seen_at=None
        )
    return Periods(row, periods.earlier)


def begin_period(
    earlier: Periods[Row] | None, after: tier_row.Row, key: CanonicalKey, tier: Tier
) -> Periods[Row]:
    """Add a period that lasts."""
    row = Row(
        after.campaign_id,
        1 if earlier is None else earlier.last.period + 1,
        after.campaign_name,
        tier.id,
        after.tier_name,
        after.previous_tier_id,
        after.joined_at,
        key.occurred_at,
        None,
        key.event_id,
        None,
        after.seen_at,
    )
    return Periods(row, earlier)


def add_unseen_period(
    earlier: Periods[Row] | None, after: tier_row.Row, key: CanonicalKey, tier: Tier
) -> Periods[Row]:
    """Add a period of which only the end is known: its beginning and previous tier are null."""
    row = Row(
        after.campaign_id,
        1 if earlier is None else earlier.last.period + 1,
        after.campaign_name,
        tier.id,
        tier.name,
        None,
        None,
        None,
        key.occurred_at,
        None,
        key.event_id,
    )
    return Periods(row, earlier)


def update_period(last: Row, after: tier_row.Row) -> Row:
    """Update the last period with the tier's changed row; of an ended one the campaign's name."""
    if after.tier_id is None:
        return replace(last, campaign_name=after.campaign_name)
    return Row(
        last.campaign_id,
        last.period,
        after.campaign_name,
        last.tier_id,
        after.tier_name,
        after.previous_tier_id,
        after.joined_at,
        last.valid_from,
        None,
        last.opened_by,
        None,
        after.seen_at,
    )


def end_period(
    periods: Periods[Row], after: tier_row.Row, key: CanonicalKey, tier: Tier | None = None
) -> Periods[Row]:
    """End the last period; keep its values, except for the names that the event shows."""
    last = periods.last
    row = replace(
        last,
        campaign_name=after.campaign_name,
        tier_name=tier.name if tier is not None and tier.name is not None else last.tier_name,
        valid_to=key.occurred_at,
        closed_by=key.event_id,
        seen_at=after.seen_at,
    )
    return Periods(row, periods.earlier)
