"""Generated deliveries in large numbers, with everything that a log may have; always the same.

Late, double and contradicting ones, events of no customer, bodies that cannot be decoded, types
that no projection reads, years far away, characters that files and databases quote, and a few
customers with very many events.
"""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from tests.support import given
from tests.support.given import Delivery, Json

#: Of the events that concern customers at random; the others follow a Pareto distribution.
CUSTOMERS = 20_000

_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_PROJECTS = ("proj_1", "proj_1", "proj_1", "proj_2", 'proj "2"\t\\N')
_TIERS = ("ltr_1", "ltr_2", "ltr_3")
_CAMPAIGNS = ("camp_1", "camp_1", "camp_2", "camp, 3'")

#: Texts that CSV, COPY, JSON, SQL or UTF-16 treat in a way of their own.
_TEXTS = (
    "Ada",
    "Ädä 😀",
    "𝒵oë \U0010ffff",
    "Jo \"the 'Cat'\" O\\Neil",
    "\\N",
    "\\.",
    "a\tb\nc\r\nd",
    "",
    " , ;",
    "NULL",
    "\ufeff\u2028\u00a0",
    # Cut within a character, as JavaScript cuts text.
    "Jo \ud83c",
)

#: Years that calendars and timestamps of other programs stumble over.
_ODD_TIMES = ("0001-01-02T00:00:00Z", "1581-10-10T12:00:00.000001Z", "9999-12-30T23:59:59.999999Z")

#: Builders of events whose bodies do not match their types.
_UNREADABLE: tuple[Callable[..., Delivery], ...] = (
    partial(given.joined, which=None),
    partial(given.upgraded, from_="ltr_1", to=None),
    partial(given.entered, segment_id={"name": "without id"}),
    partial(given.left, segment_id={"id": "seg_1", "name": "\0"}),
    partial(given.expiration_changed, which="ltr_1", expiration_date="soon"),
)


def lines(events: int, *, seed: int = 1) -> Iterator[bytes]:
    """Yield the deliveries of so many events as lines of NDJSON, half of them without escapes."""
    for number, each in enumerate(deliveries(events, seed=seed)):
        text = json.dumps(each, ensure_ascii=number % 2 == 0)
        try:
            yield text.encode() + b"\n"
        except UnicodeEncodeError:
            yield json.dumps(each).encode() + b"\n"


def deliveries(events: int, *, seed: int = 1) -> Iterator[Delivery]:
    """Yield the deliveries of so many events: some twice, some contradicted by another one."""
    chance = random.Random(seed)
    for number in range(events):
        at = _BEGIN + timedelta(seconds=number)
        event = _event(chance, number, at)
        yield event
        fate = chance.random()
        if fate < 0.02:
            yield event
        elif fate < 0.0205:
            # Of the same identity, with another content.
            other = _event(chance, number, at + timedelta(days=1))
            identity = {"id": event["event"]["id"]}
            yield {
                **other,
                "project_id": event["project_id"],
                "event": {**other["event"], **identity},
            }


def of_one(events: int, customer_id: str) -> Iterator[bytes]:
    """Yield lines with so many events of one customer, in order, who seldom leaves a segment."""
    for number in range(events):
        at = (_BEGIN + timedelta(seconds=number)).isoformat()
        build = given.left if number % 20 > 17 else given.entered
        segment_id = f"seg_{number % 2}"
        event = build(customer_id, segment_id, at=at, id=f"one_{number:07}")
        yield json.dumps(event).encode() + b"\n"


def _event(chance: random.Random, number: int, at: datetime) -> Delivery:
    """Return the event of a number; `at` is when it is delivered, and mostly when it occurred."""
    fate = chance.random()
    header = {
        "at": chance.choice(_ODD_TIMES) if fate < 0.003 else _late(chance, at).isoformat(),
        "id": f"evcus_{chance.getrandbits(40):010x}{number:07}",
        "project_id": chance.choice(_PROJECTS),
    }
    kind = chance.random()
    if kind < 0.005:
        # The first is no fact, the second becomes a dead letter without a customer.
        type_ = chance.choice(("voucher.created", "customer.segment.left"))
        return given.delivery(type_, None, segment=given.segment("seg_1"), **header)
    customer_id = _customer_id(chance)
    if kind < 0.045:
        return given.delivery("customer.rewarded", customer_id, **header)
    if kind < 0.055:
        return chance.choice(_UNREADABLE)(customer_id, **header)
    event = _readable(chance, customer_id, header)
    event["data"]["customer"].update(_attributes(chance, customer_id))
    return event


def _late(chance: random.Random, at: datetime) -> datetime:
    days = chance.uniform(0, 20) if chance.random() < 0.03 else 0
    return at - timedelta(days=days, microseconds=chance.randrange(1000))


def _customer_id(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return f"cust_{chance.randrange(CUSTOMERS)}"
    number = int(chance.paretovariate(0.6))
    # Ids are compared and sorted as bytes, and travel through everything.
    return f'cust "{number}",\t\\N😀' if number == 3 else f"cust_p{number % CUSTOMERS}"


def _attributes(chance: random.Random, customer_id: str) -> Json:
    return {
        "source_id": f"shop-{customer_id}",
        "name": chance.choice(_TEXTS),
        "email": f"{customer_id}@shop.test",
        "metadata": {"note": chance.choice(_TEXTS), "n": chance.randrange(1000), "vip": True},
        "created_at": "2023-12-01T10:00:00.000Z",
        "address": {"city": "Katowice", "country": "Poland", "line_1": "Porcelanowa 23"},
        "summary": {"redemptions": {"total_redeemed": chance.randrange(9)}, "orders": {}},
    }


def _readable(chance: random.Random, customer_id: str, header: Json) -> Delivery:
    segment = given.segment(f"seg_{chance.randrange(9)}", name=chance.choice(_TEXTS))
    campaign: dict[str, Any] = {"campaign_id": chance.choice(_CAMPAIGNS)}
    match chance.randrange(14):
        case 0:
            return given.created(customer_id, **header)
        case 1 | 2:
            return given.updated(customer_id, **header)
        case 3 | 4 | 5 | 6:
            return given.entered(customer_id, segment, **header)
        case 7 | 8:
            return given.left(customer_id, segment, **header)
        case 9 | 10:
            return given.joined(customer_id, chance.choice(_TIERS), **campaign, **header)
        case 11:
            return given.tier_left(customer_id, chance.choice(_TIERS), **campaign, **header)
        case 12:
            tiers = (chance.choice(_TIERS), given.tier(chance.choice(_TIERS), 100, 199))
            build = chance.choice((given.upgraded, given.downgraded))
            return build(customer_id, *tiers, **campaign, **header)
    if chance.random() < 0.05:
        return given.deleted(customer_id, **header)
    more = {"expiration_date": "2025-06-30"}
    return given.expiration_changed(customer_id, "ltr_1", **campaign, **more, **header)
