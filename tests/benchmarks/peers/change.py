"""What people write who keep no log: a delivery is one upsert of a row. PURE.

The last one to come wins; a delivery that comes late, or twice, is written over what is newer.
"""

import json
from typing import Any, NamedTuple

_MEMBERSHIP = (
    "INSERT INTO membership (customer_id, segment_id, segment_name, is_member, since) "
    "VALUES ({0}, {0}, {0}, {1}, {0}) ON CONFLICT (customer_id, segment_id) DO UPDATE SET "
    "segment_name = excluded.segment_name, is_member = excluded.is_member, since = excluded.since "
    "WHERE membership.is_member <> excluded.is_member"
)
_TIER = (
    "INSERT INTO tier (customer_id, campaign_id, tier_id, tier_name, since) "
    "VALUES ({0}, {0}, {0}, {0}, {0}) ON CONFLICT (customer_id, campaign_id) DO UPDATE SET "
    "tier_id = excluded.tier_id, tier_name = excluded.tier_name, since = excluded.since "
    "WHERE tier.tier_id <> excluded.tier_id"
)


class Change(NamedTuple):
    """An upsert: entered, left or tier, with the values of its row."""

    what: str
    values: tuple[Any, ...]


def upserts(mark: str) -> dict[str, str]:
    """The statements, for a driver whose placeholder is `mark`."""
    return {
        "entered": _MEMBERSHIP.format(mark, "true"),
        "left": _MEMBERSHIP.format(mark, "false"),
        "tier": _TIER.format(mark),
    }


def change_of(body: str | bytes) -> Change | None:
    """What a delivery changes, or nothing."""
    delivery = json.loads(body)
    event, data = delivery["event"], delivery["data"]
    type_, at, customer_id = event["type"], event["created_at"], data["customer"]["id"]
    if type_ in ("customer.segment.entered", "customer.segment.left"):
        segment = data["segment"]
        return Change(type_.rpartition(".")[2], (customer_id, segment["id"], segment["name"], at))
    if type_ in ("customer.loyalty.tier.joined", "customer.loyalty.tier.upgraded"):
        tier = data.get("loyalty_tier_to") or data["loyalty_tier"]
        return Change("tier", (customer_id, data["campaign"]["id"], tier["id"], tier["name"], at))
    return None
