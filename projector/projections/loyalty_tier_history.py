"""Projects `loyalty_tier_history`: one row per period of a customer on a loyalty tier. PURE.

It runs the fold of `loyalty_tier`, and keeps the tiers which that one overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from operator import attrgetter
from typing import Any

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
from projector.facts.observations import CustomerAbsent, TierObserved
from projector.projections import loyalty_tier, tier_observations
from projector.projections.loyalty_tier import Fact
from projector.projections.periods import Periods, from_rows, to_rows
from projector.projections.projection import Memberships, Projection
from projector.projections.tier_periods import (
    Row,
    add_unseen_period,
    begin_period,
    correct_periods,
    end_period,
    update_period,
)

__all__ = ["PROJECTION", "Row", "State"]


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
    return _apply_to_all(loyalty_tier.deleted, state, fact, key)


def absent(state: State, fact: CustomerAbsent, key: CanonicalKey) -> State:
    """End all periods that last."""
    return _apply_to_all(tier_observations.absent, state, fact, key)


def observed(state: State, fact: TierObserved, key: CanonicalKey) -> State:
    """Begin the period of the tier that the source has, if it is not the present one."""
    campaign_id, tier = fact.campaign_id, fact.loyalty_tier
    periods = state.get(campaign_id)
    before = None if periods is None else _tier(periods.last)
    after = tier_observations.observed(before, fact, key)
    if after is None:
        return state
    if tier is not None:
        before = loyalty_tier.Row(campaign_id) if before is None else before
        return {**state, campaign_id: _record(periods, before, after, key, tier)}
    if periods is None or before is None or before.tier_id is None:
        return state
    return {**state, campaign_id: end_period(periods, after, key)}


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
    if periods is None:
        before = loyalty_tier.Row(campaign_id)
    else:
        known = _tier(periods.last)
        before = tier_observations.correct(known, fact, key)
        if before is not known:
            periods = correct_periods(periods, before, key)
            state = {**state, campaign_id: periods}
    after = change(before, fact, key)
    if after is before:
        return state
    return {**state, campaign_id: _record(periods, before, after, key, tier)}


def _apply_to_all(
    change: Callable[[loyalty_tier.State, Any, CanonicalKey], loyalty_tier.State],
    state: State,
    fact: CustomerDeleted | CustomerAbsent,
    key: CanonicalKey,
) -> State:
    """Apply an evolver that ends all of a customer's tiers, and record the changes."""
    before = {campaign_id: _tier(periods.last) for campaign_id, periods in state.items()}
    after = change(before, fact, key)
    return {
        campaign_id: end_period(periods, after[campaign_id], key)
        if _has_ended(before[campaign_id], after[campaign_id])
        else periods
        for campaign_id, periods in state.items()
    }


def _has_ended(before: loyalty_tier.Row, after: loyalty_tier.Row) -> bool:
    """Return whether a tier has ended, or an end that was only seen has got its instant."""
    return (before.tier_id, before.left_at) != (after.tier_id, after.left_at)


def _tier(last: Row) -> loyalty_tier.Row:
    """Reconstruct the row of `loyalty_tier` after a period, as far as the next change needs it."""
    if last.valid_to is not None:
        return loyalty_tier.Row(
            last.campaign_id,
            last.campaign_name,
            previous_tier_id=last.tier_id,
            left_at=last.valid_to if last.seen_at is None else None,
            seen_at=last.seen_at,
        )
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
        seen_at=last.seen_at,
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
            periods = end_period(periods, after, key)
        return begin_period(periods, after, key, tier)
    if periods is None or (before.tier_id is None and after.gaps > before.gaps):
        return add_unseen_period(periods, after, key, tier)
    if before.tier_id is not None and after.tier_id is None:
        return end_period(periods, after, key, tier)
    return Periods(update_period(periods.last, after), periods.earlier)


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
        TierObserved: observed,
        CustomerAbsent: absent,
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, series=attrgetter("campaign_id")),
)
