"""Projects `loyalty_tier_history`: one row per period of a customer on a loyalty tier. PURE.

It runs the fold of `loyalty_tier`, and keeps the tiers which that one overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import (
    CustomerDeleted,
    Tier,
    TierDowngraded,
    TierExpirationChanged,
    TierJoined,
    TierLeft,
    TierMove,
    TierProlonged,
    TierUpgraded,
)
from projector.projections import loyalty_tier
from projector.projections.loyalty_tier import Fact
from projector.projections.periods import Periods, from_rows, to_rows
from projector.projections.projection import Identifier, Memberships, Projection


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


#: Periods by campaign id.
State = Mapping[str, Periods[Row]]


def joined(state: State, fact: TierJoined, key: CanonicalKey) -> State:
    """Begin a period on the tier, and end the one on another tier."""
    return _apply(loyalty_tier.joined, state, fact, key, fact.loyalty_tier)


def moved(state: State, fact: TierMove, key: CanonicalKey) -> State:
    """Apply an upgrade or a downgrade: end one period and begin the next."""
    return _apply(loyalty_tier.moved, state, fact, key, fact.loyalty_tier_to)


def prolonged(
    state: State, fact: TierProlonged | TierExpirationChanged, key: CanonicalKey
) -> State:
    """Continue the period; begin one with this event if the tier is not the present one."""
    return _apply(loyalty_tier.prolonged, state, fact, key, fact.loyalty_tier)


def left(state: State, fact: TierLeft, key: CanonicalKey) -> State:
    """End the period; from an unknown tier while on none, add one with an unknown beginning."""
    return _apply(loyalty_tier.left, state, fact, key, fact.loyalty_tier)


def deleted(state: State, fact: CustomerDeleted, key: CanonicalKey) -> State:
    """End all periods that last."""
    before = {campaign_id: _tier(periods.last) for campaign_id, periods in state.items()}
    after = loyalty_tier.deleted(before, fact, key)
    return {
        campaign_id: periods
        if after[campaign_id] is before[campaign_id]
        else _end_period(periods, after[campaign_id], key)
        for campaign_id, periods in state.items()
    }


def _apply(
    change: Callable[[loyalty_tier.Row, Fact, CanonicalKey], loyalty_tier.Row],
    state: State,
    fact: Fact,
    key: CanonicalKey,
    tier: Tier,
) -> State:
    """Apply an evolver of `loyalty_tier`, and record the change; `tier` is that of the fact."""
    campaign_id = fact.campaign_id
    periods = state.get(campaign_id)
    before = loyalty_tier.Row(campaign_id) if periods is None else _tier(periods.last)
    after = change(before, fact, key)
    if after is before:
        return state
    return {**state, campaign_id: _record(periods, before, after, key, tier)}


def _tier(last: Row) -> loyalty_tier.Row:
    """Reconstruct the row of `loyalty_tier` after a period, as far as the next change needs it."""
    if last.valid_to is not None:
        return loyalty_tier.Row(last.campaign_id, last.campaign_name, previous_tier_id=last.tier_id)
    return loyalty_tier.Row(
        last.campaign_id,
        last.campaign_name,
        last.tier_id,
        last.tier_name,
        None,
        None,
        last.joined_at,
        None,
        last.previous_tier_id,
    )


def _record(
    periods: Periods[Row] | None,
    before: loyalty_tier.Row,
    after: loyalty_tier.Row,
    key: CanonicalKey,
    tier: Tier,
) -> Periods[Row]:
    """Return the periods after a fact that changed the tier's row from `before` to `after`."""
    if loyalty_tier.begins_period(before, after):
        if periods is not None and periods.last.valid_to is None:
            periods = _end_period(periods, after, key)
        return _begin_period(periods, after, key, tier)
    if periods is None or (before.tier_id is None and after.gaps > before.gaps):
        return _add_unseen_period(periods, after, key, tier)
    if before.tier_id is not None and after.tier_id is None:
        return _end_period(periods, after, key, tier)
    return Periods(_update_period(periods.last, after), periods.earlier)


def _begin_period(
    earlier: Periods[Row] | None, after: loyalty_tier.Row, key: CanonicalKey, tier: Tier
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
    )
    return Periods(row, earlier)


def _add_unseen_period(
    earlier: Periods[Row] | None, after: loyalty_tier.Row, key: CanonicalKey, tier: Tier
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


def _update_period(last: Row, after: loyalty_tier.Row) -> Row:
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
    )


def _end_period(
    periods: Periods[Row], after: loyalty_tier.Row, key: CanonicalKey, tier: Tier | None = None
) -> Periods[Row]:
    """End the last period; keep its values, except for the names that the event shows."""
    last = periods.last
    row = replace(
        last,
        campaign_name=after.campaign_name,
        tier_name=tier.name if tier is not None and tier.name is not None else last.tier_name,
        valid_to=key.occurred_at,
        closed_by=key.event_id,
    )
    return Periods(row, periods.earlier)


PROJECTION: Projection[State, Row] = Projection(
    name="loyalty_tier_history",
    # The same version, because periods change their meaning together with tiers.
    version=loyalty_tier.PROJECTION.version,
    row=Row,
    key=("campaign_id", "period"),
    is_history=True,
    # For lists of a tier's present and past members.
    indexes=(("tier_id", "project_id", "customer_id", "campaign_id"),),
    memberships=Memberships(
        group_id="tier_id", campaign_id="campaign_id", since="valid_from", until="valid_to"
    ),
    initial={},
    evolvers={
        TierJoined: joined,
        TierUpgraded: moved,
        TierDowngraded: moved,
        TierProlonged: prolonged,
        TierExpirationChanged: prolonged,
        TierLeft: left,
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, series=attrgetter("campaign_id")),
)
