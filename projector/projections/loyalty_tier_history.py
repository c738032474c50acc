"""loyalty_tier_history: from when to when a customer was on a loyalty tier, one row a period.

What the fold of loyalty_tier says, kept instead of overwritten. PURE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import attrgetter

from msgspec import Struct

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
from projector.projections.projection import Identifier, Projection


class Row(Struct, frozen=True):
    """A period of a customer on a tier: on it from `valid_from` until before `valid_to`."""

    campaign_id: Identifier
    #: 1, 2, 3 … in canonical order, for each customer and campaign.
    period: int
    campaign_name: str | None
    tier_id: Identifier
    tier_name: str | None
    previous_tier_id: Identifier | None
    #: As the events tell it, which may be another time than that of the event.
    joined_at: datetime | None
    #: When the event was that shows the customer on the tier first; null where none does.
    valid_from: datetime | None
    #: Null while it lasts.
    valid_to: datetime | None
    #: The ids of the events; null where the instant is.
    opened_by: Identifier | None
    closed_by: Identifier | None


#: Periods by campaign id.
State = Mapping[str, Periods[Row]]


def joined(state: State, fact: TierJoined, key: CanonicalKey) -> State:
    """Who joins a tier begins a period on it, and ends the one on another."""
    return _apply(loyalty_tier.joined, state, fact, key, fact.loyalty_tier)


def moved(state: State, fact: TierMove, key: CanonicalKey) -> State:
    """An upgrade or a downgrade ends one period and begins the next."""
    return _apply(loyalty_tier.moved, state, fact, key, fact.loyalty_tier_to)


def prolonged(
    state: State, fact: TierProlonged | TierExpirationChanged, key: CanonicalKey
) -> State:
    """The period lasts; one on a tier that the customer was not on begins where it is seen."""
    return _apply(loyalty_tier.prolonged, state, fact, key, fact.loyalty_tier)


def left(state: State, fact: TierLeft, key: CanonicalKey) -> State:
    """The period ends; a tier that was not seen while on none had one of unknown beginning."""
    return _apply(loyalty_tier.left, state, fact, key, fact.loyalty_tier)


def deleted(state: State, fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every period that lasts ends with the customer."""
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
    """Ask the fold of the tiers, and note what it changes; `tier` is the one of the fact."""
    campaign_id = fact.campaign_id
    periods = state.get(campaign_id)
    before = loyalty_tier.Row(campaign_id) if periods is None else _tier(periods.last)
    now = change(before, fact, key)
    return state if now is before else {**state, campaign_id: _record(periods, now, key, tier)}


def _tier(last: Row) -> loyalty_tier.Row:
    """What the fold knows after a period, as far as it decides what comes next."""
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
    periods: Periods[Row] | None, now: loyalty_tier.Row, key: CanonicalKey, tier: Tier
) -> Periods[Row]:
    """The periods after a fact that changed the tier to what it is now."""
    if periods is None or periods.last.valid_to is not None:
        begin = _add_unseen_period if now.tier_id is None else _begin_period
        return begin(periods, now, key, tier)
    last = periods.last
    if now.tier_id == last.tier_id:
        return Periods(_update_period(last, now), periods.earlier)
    ended = _end_period(periods, now, key)
    return ended if now.tier_id is None else _begin_period(ended, now, key, tier)


def _begin_period(
    earlier: Periods[Row] | None, now: loyalty_tier.Row, key: CanonicalKey, tier: Tier
) -> Periods[Row]:
    """A period more, which lasts."""
    row = Row(
        now.campaign_id,
        1 if earlier is None else earlier.last.period + 1,
        now.campaign_name,
        tier.id,
        now.tier_name,
        now.previous_tier_id,
        now.joined_at,
        key.occurred_at,
        None,
        key.event_id,
        None,
    )
    return Periods(row, earlier)


def _add_unseen_period(
    earlier: Periods[Row] | None, now: loyalty_tier.Row, key: CanonicalKey, tier: Tier
) -> Periods[Row]:
    """A period more, of which only the end is known: not since when, nor what was before."""
    row = Row(
        now.campaign_id,
        1 if earlier is None else earlier.last.period + 1,
        now.campaign_name,
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


def _update_period(last: Row, now: loyalty_tier.Row) -> Row:
    """The period with what the fold tells of it now."""
    return Row(
        last.campaign_id,
        last.period,
        now.campaign_name,
        last.tier_id,
        now.tier_name,
        now.previous_tier_id,
        now.joined_at,
        last.valid_from,
        None,
        last.opened_by,
        None,
    )


def _end_period(periods: Periods[Row], now: loyalty_tier.Row, key: CanonicalKey) -> Periods[Row]:
    """The last period is over; what was known of it stays."""
    last = periods.last
    row = Row(
        last.campaign_id,
        last.period,
        now.campaign_name,
        last.tier_id,
        last.tier_name,
        last.previous_tier_id,
        last.joined_at,
        last.valid_from,
        key.occurred_at,
        last.opened_by,
        key.event_id,
    )
    return Periods(row, periods.earlier)


PROJECTION: Projection[State, Row] = Projection(
    name="loyalty_tier_history",
    # Tiers of another meaning make other periods.
    version=loyalty_tier.PROJECTION.version,
    row=Row,
    key=("campaign_id", "period"),
    is_history=True,
    # Who was ever on a tier.
    indexes=(("tier_id", "project_id", "customer_id", "campaign_id"),),
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
    from_rows=partial(from_rows, place=attrgetter("campaign_id")),
)
