"""What lists of customers show beside ids and names: the address, and the tiers at an instant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections import customer, loyalty_tier_history
from projector.store import table_rows
from projector.store.database import Database


@frozen(kw_only=True)
class HeldTier:
    """A tier that a customer was on."""

    campaign_id: str
    tier_id: str
    name: str | None


@frozen(kw_only=True)
class MemberDetails:
    """What a list shows of a customer."""

    email: str | None
    tiers: tuple[HeldTier, ...]


def describe_members(
    database: Database, keys: Iterable[CustomerKey], *, at: datetime
) -> Mapping[CustomerKey, MemberDetails]:
    """Return the present address of customers, and their tiers at an instant, by campaign."""
    keys = list(dict.fromkeys(keys))
    with database.reading_tables() as connection:
        rows = table_rows.load(connection, customer.PROJECTION, keys)
        periods = table_rows.load(connection, loyalty_tier_history.PROJECTION, keys)
    return {
        key: MemberDetails(
            email=next((row.email for row in rows.get(key, ())), None),
            tiers=tuple(
                HeldTier(campaign_id=each.campaign_id, tier_id=each.tier_id, name=each.tier_name)
                for each in sorted(periods.get(key, ()), key=lambda each: each.campaign_id)
                if _lasts(each, at)
            ),
        )
        for key in keys
    }


def _lasts(period: loyalty_tier_history.Row, at: datetime) -> bool:
    begun = period.valid_from is not None and period.valid_from <= at
    return begun and (period.valid_to is None or period.valid_to > at)
