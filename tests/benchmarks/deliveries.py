"""Generated deliveries: webhooks of about 1 KB, as many customers as are asked for."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

PROJECT = "proj_bench"
_START = datetime(2024, 1, 1, tzinfo=UTC)
_TIERS = [("ltr_bronze", "Bronze", 0), ("ltr_silver", "Silver", 150), ("ltr_gold", "Gold", 500)]


def deliveries(
    events: int,
    *,
    customers: int,
    late_share: float = 0.02,
    seed: int = 1,
    begin: datetime = _START,
) -> Iterator[bytes]:
    """Lines of NDJSON, mostly in the order of their times; `late_share` of them lie in the past.

    A customer moves from the tier that the last line before showed.
    """
    random_, tiers = random.Random(seed), bytearray(customers)
    for number in range(events):
        at = begin + timedelta(seconds=number)
        if random_.random() < late_share:
            at -= timedelta(days=random_.uniform(0, 30))
        customer = random_.randrange(customers)
        yield msgspec.json.encode(_delivery(number, customer, at, random_, tiers))
        yield b"\n"


def stories(customers: int, events: int) -> Iterator[bytes]:
    """Customers with so many events each, all of them about one segment, one in fifty late."""
    random_, tiers = random.Random(2), bytearray(1)
    for number in range(customers * events):
        at = _START + timedelta(seconds=number) - timedelta(hours=number % 50 == 49)
        delivery = _delivery(10**9 + number, 0, at, random_, tiers)
        data = {**_customer(f"cust_story{number % customers}", number % customers)}
        delivery["event"]["entity_id"] = data["id"]
        delivery["event"]["type"] = f"customer.segment.{random_.choice(['entered', 'left'])}"
        delivery["data"] = {"customer": data, "segment": {"id": "seg_0", "name": "Segment 0"}}
        yield msgspec.json.encode(delivery)
        yield b"\n"


def entries(members: int, segment_id: str) -> Iterator[bytes]:
    """As many customers who enter one segment."""
    random_, tiers = random.Random(3), bytearray(members)
    for number in range(members):
        at = _START + timedelta(seconds=number)
        delivery = _delivery(number, number, at, random_, tiers)
        delivery["event"]["type"] = "customer.segment.entered"
        delivery["data"] = {
            "customer": delivery["data"]["customer"],
            "segment": {"id": segment_id, "name": "Everybody", "object": "segment"},
        }
        yield msgspec.json.encode(delivery)
        yield b"\n"


def customer_id(number: int) -> str:
    """How the generated deliveries call a customer."""
    return f"cust_{number:020d}"


def _delivery(
    number: int, customer: int, at: datetime, random_: random.Random, tiers: bytearray
) -> dict[str, Any]:
    type_, data = _what(customer, random_, tiers)
    time = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    id_ = customer_id(customer)
    return {
        "id": f"whs_{number:024x}",
        "project_id": PROJECT,
        "created_at": time,
        "type": "A distribution",
        "source": {
            "id": "distr_0123456789abcdef",
            "object": "distribution",
            "target_url": "https://hooks.example.com/loyalty",
        },
        "event": {
            "id": f"evcus_{random_.getrandbits(72):018x}",
            "type": type_,
            "created_at": time,
            "entity_id": id_,
            "group_id": f"v-{number:020x}",
            "event_source": {"channel": "API", "api_key": {"name": "Server side", "app_id": "a"}},
        },
        "data": {"customer": _customer(id_, customer), **data, "created_at": time},
    }


def _customer(customer_id: str, customer: int) -> dict[str, Any]:
    return {
        "id": customer_id,
        "source_id": f"shop-{customer}",
        "name": f"Customer Number {customer}",
        "email": f"customer{customer}@example.com",
        "metadata": {"lang": "en", "newsletter": True, "shop": customer % 7},
        "created_at": "2023-12-01T10:00:00.000Z",
        "summary": {"redemptions": {"total_redeemed": 3}, "orders": {"total_amount": 12000}},
        "address": {"city": "Katowice", "country": "Poland", "line_1": "Porcelanowa 23"},
        "object": "customer",
    }


def _what(customer: int, random_: random.Random, tiers: bytearray) -> tuple[str, dict[str, Any]]:
    """The type and the data; `tiers` has the number of each customer's tier, 0 for none."""
    choice = random_.random()
    if choice < 0.5:
        segment = random_.randrange(5)
        return (
            "customer.segment.entered" if choice < 0.3 else "customer.segment.left",
            {
                "segment": {
                    "id": f"seg_{segment}",
                    "name": f"Segment {segment}",
                    "object": "segment",
                }
            },
        )
    if choice < 0.6:
        return "customer.updated", {}
    campaign = {"id": "camp_1", "name": "Loyalty programme", "object": "campaign"}
    before, after = tiers[customer], random_.randint(1, len(_TIERS))
    tiers[customer] = after
    if choice < 0.85:
        return "customer.loyalty.tier.joined", {
            "campaign": campaign,
            "loyalty_tier": _tier(after),
        }
    return (
        "customer.loyalty.tier.upgraded",
        {
            "campaign": campaign,
            "loyalty_tier_from": _tier(before) if before else None,
            "loyalty_tier_to": _tier(after),
        },
    )


def _tier(number: int) -> dict[str, Any]:
    tier_id, name, points = _TIERS[number - 1]
    return {
        "id": tier_id,
        "name": name,
        "campaign_id": "camp_1",
        "points": {"from": points, "to": points + 149},
        "created_at": "2023-01-01T00:00:00.000Z",
        "object": "loyalty_tier",
    }
