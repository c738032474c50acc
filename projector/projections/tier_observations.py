"""Folds observations of loyalty tiers, and the events that an observation may have seen. PURE."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import (
    TierExpirationChanged,
    TierFact,
    TierJoined,
    TierLeft,
    TierMove,
    TierProlonged,
)
from projector.facts.observations import CustomerAbsent, TierObserved
from projector.projections.observing import is_in_flight
from projector.projections.tier_row import Row, enter, leave, refresh
from projector.text.instants import to_utc


def observed(row: Row | None, fact: TierObserved, key: CanonicalKey) -> Row | None:
    """Compare the tier with that which the source has; its answer holds.

    Where it differs a delivery was lost. A campaign in which no tier was ever known keeps no row.
    """
    tier = fact.loyalty_tier
    if tier is None:
        return row and _seen_without(row, key, silent=False)
    row = Row(fact.campaign_id) if row is None else row
    expires_on = tier.expires_on
    if row.tier_id == tier.id:
        expires_on, previous = expires_on or row.expires_on, row.previous_tier_id
        return _looked_at(refresh(row, fact, key, tier, expires_on, previous), key)
    entered = enter(row, fact, key, tier, None, expires_on, gaps=1)
    return replace(_looked_at(entered, key), seen_at=key.occurred_at)


def absent(state: Mapping[str, Row], _fact: CustomerAbsent, key: CanonicalKey) -> dict[str, Row]:
    """Leave all present tiers of a customer whom the source does not know; count no gap."""
    return {campaign_id: _seen_without(row, key, silent=True) for campaign_id, row in state.items()}


def leave_by_deletion(row: Row, key: CanonicalKey) -> Row:
    """Return the row after the deletion of the customer.

    If an observation saw the end of the tier already, it is no lost one.
    """
    if row.tier_id is not None:
        return leave(row, key, row.campaign_name)
    if row.left_at is not None or not is_in_flight(row.seen_at, key.occurred_at):
        return row
    return replace(_found(row, key), left_at=key.occurred_at)


def correct(row: Row, fact: TierFact | TierMove, key: CanonicalKey) -> Row:
    """Return the row to which an event applies if an observation set the present one.

    The event may be what the observation saw: then no delivery was lost, and the instant is known.
    Or it was before that: then the customer was still on the tier that the event names. In any case
    the event sets the value from now on.
    """
    if row.seen_at is None:
        return row
    if is_in_flight(row.seen_at, key.occurred_at):
        if row.tier_id is not None and _leads_to(fact) == row.tier_id:
            return replace(_found(row, key), joined_at=to_utc(fact.created_at or key.occurred_at))
        if row.previous_tier_id is not None and left_behind(fact) == row.previous_tier_id:
            return _back_on(row.previous_tier_id, _found(row, key))
    return replace(row, seen_at=None, silent=False)


def _found(row: Row, key: CanonicalKey) -> Row:
    """Return the row after the arrival of the delivery that the observation took for lost."""
    found = 0 if row.silent else 1
    return replace(
        row,
        gaps=row.gaps - found,
        settled=row.settled - found,
        changed_by=key.event_id,
        seen_at=None,
        silent=False,
    )


def _back_on(tier_id: str, row: Row) -> Row:
    """Return the row of a customer who is on a tier of which no more is known."""
    return Row(
        row.campaign_id,
        row.campaign_name,
        tier_id,
        gaps=row.gaps,
        changed_by=row.changed_by,
        observed_at=row.observed_at,
        settled=row.settled,
    )


def left_behind(fact: object) -> str | None:
    """Return the id of the tier that the customer was on until an event, as far as it says so."""
    if isinstance(fact, TierMove):
        return None if fact.loyalty_tier_from is None else fact.loyalty_tier_from.id
    if isinstance(fact, TierLeft | TierProlonged | TierExpirationChanged):
        return fact.loyalty_tier.id
    return None


def _leads_to(fact: TierFact | TierMove) -> str | None:
    """Return the id of the tier that an event begins; None if it begins none."""
    if isinstance(fact, TierMove):
        return fact.loyalty_tier_to.id
    return fact.loyalty_tier.id if isinstance(fact, TierJoined) else None


def _seen_without(row: Row, key: CanonicalKey, *, silent: bool) -> Row:
    """Return the row after the source said that there is no tier."""
    if row.tier_id is None:
        return _looked_at(row, key)
    return Row(
        row.campaign_id,
        row.campaign_name,
        previous_tier_id=row.tier_id,
        gaps=row.gaps + (not silent),
        changed_by=key.event_id,
        observed_at=key.occurred_at,
        settled=row.gaps + (not silent),
        seen_at=key.occurred_at,
        silent=silent,
    )


def _looked_at(row: Row, key: CanonicalKey) -> Row:
    """Return the row after a look at it, which settles its gaps."""
    return replace(row, observed_at=key.occurred_at, settled=row.gaps)
