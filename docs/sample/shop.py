"""Prints the deliveries of a made-up coffee shop, one a line, in the order of arrival.

    python docs/sample/shop.py | projector ingest - --project proj_Kestrel4mZr8QwTx2LbVn6Yd

It is the shop of deliveries.ndjson, Kestrel Coffee, with some thousand customers more, over
eighteen months until today. Some deliveries come twice, some late, and a few are lost. The same
arguments always give the same deliveries.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

PROJECT = "proj_Kestrel4mZr8QwTx2LbVn6Yd"
CAMPAIGN = ("camp_BeanClub9sJq3XvTz7RmKd5Wf", "Bean Club")
#: Id, name, and the points from and to.
TIERS = (
    ("ltr_0f3b61a7c2d94e5b10", "Bronze", 0, 199),
    ("ltr_0f3b61a7c2d94e5b11", "Silver", 200, 499),
    ("ltr_0f3b61a7c2d94e5b12", "Gold", 500, None),
)
NEW = ("seg_NewCust5Hq2LwXz8RkTb4Yc1", "New customers")
ESPRESSO = ("seg_Espresso7Gm3PvKz9WqTb2Nd", "Espresso lovers")
CART = ("seg_CartLeft6Jr8MxLz4QsVc9Tf", "Cart left behind")
SLEEPING = ("seg_SixtyDays3Kt7NzMx5RwWd8Vg", "Not seen for 60 days")
BIRTHDAY = ("seg_Birthday2Pq6LxWz9RmTb5Hc", "Birthday this month")

_FIRST_NAMES = """
Aino Amir Anna Anton Aria Ben Bruno Chen Clara Dana David Ebba Elif Emil Femi Hugo Ilse Ines Ivo
Jana Kaan Lea Leo Lina Luca Malik Maja Marta Mina Nadia Noor Olga Omar Otto Pavel Rosa Samir Sofia
Theo Tove Yara Zoe
"""
_LAST_NAMES = """
Adeyemi Andersson Bauer Costa Demir Eriksen Fischer Garcia Horvat Ibrahim Jansen Kovac Kowalski
Larsen Lopez Marin Martin Meyer Moreau Nair Novak Okafor Olsen Petrov Popescu Rossi Santos Schmidt
Silva Tanaka Torres Ueda Varga Wagner Weber Yilmaz Zhang
"""

#: How long the shop has been there, in days.
DAYS = 540


class Event(NamedTuple):
    """Something that happened to a customer."""

    at: datetime
    type: str
    data: dict[str, Any]


def main() -> None:
    """Print the deliveries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=2_400)
    parser.add_argument("--until", type=datetime.fromisoformat, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paused", help="a type of event of which nothing came for three days")
    given = parser.parse_args()
    until = (given.until or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    shop = deliveries(given.customers, until, seed=given.seed, paused=given.paused)
    try:
        for _, delivery in shop:
            sys.stdout.write(json.dumps(delivery, separators=(",", ":")) + "\n")
    except BrokenPipeError:
        sys.stderr.close()


def deliveries(
    customers: int, until: datetime, *, seed: int = 1, paused: str | None = None
) -> list[tuple[datetime, dict[str, Any]]]:
    """Return the deliveries with the time of arrival of each, in the order of arrival."""
    chance = random.Random(seed)  # noqa: S311 - it makes up names
    arrived = [
        each
        for number in range(customers)
        for each in _arrivals(chance, _customer(chance, number), until)
    ]
    kept = (
        (at, delivery)
        for at, delivery in arrived
        if at <= until
        and not (delivery["event"]["type"] == paused and at > until - timedelta(days=3))
    )
    return sorted(kept, key=lambda each: each[0])


def _customer(chance: random.Random, number: int) -> dict[str, Any]:
    first, last = chance.choice(_FIRST_NAMES.split()), chance.choice(_LAST_NAMES.split())
    return {
        "id": f"cust_{chance.getrandbits(96):024x}",
        "source_id": f"shop-{number + 2_000}",
        "name": f"{first} {last}",
        "email": f"{first}.{last}{number}@example.com".lower(),
        "metadata": {},
        "object": "customer",
    }


def _arrivals(
    chance: random.Random, customer: dict[str, Any], until: datetime
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    """Yield the deliveries of a customer's events: most at once, some late, twice, or never."""
    for event in sorted(_life(chance, until), key=lambda each: each.at):
        fate = chance.random()
        if fate < 0.002:
            continue
        delay = timedelta(seconds=chance.uniform(0.1, 3))
        if fate < 0.02:
            delay = timedelta(minutes=chance.uniform(2, 240))
        elif fate < 0.022:
            delay = timedelta(hours=chance.uniform(5, 60))
        event_id = f"evcus_{chance.getrandbits(72):018x}"
        for _ in range(2 if chance.random() < 0.02 else 1):
            at = event.at + delay
            yield at, _delivery(chance, customer, event, event_id, at)
            delay += timedelta(minutes=chance.uniform(1, 10))


def _life(chance: random.Random, until: datetime) -> Iterator[Event]:
    """Yield what happens to a customer, in no order."""
    start = _at_day(chance, until - timedelta(days=DAYS * chance.random() ** 0.8))
    yield Event(start, "customer.created", {})
    yield from _stay(chance, NEW, start + timedelta(seconds=2), timedelta(days=30), until)
    if chance.random() < 0.87:
        yield from _loyalty(chance, start + timedelta(minutes=chance.uniform(1, 3_000)), until)
    if chance.random() < 0.4:
        begin = start + timedelta(days=chance.uniform(3, 200))
        days = chance.expovariate(1 / 500)
        yield from _stay(chance, ESPRESSO, begin, timedelta(days=days), until)
    month = chance.randint(1, 12)
    for year in range(start.year, until.year + 1):
        begin = datetime(year, month, 1, 0, 5, tzinfo=UTC) + _seconds(chance, 600)
        end = datetime(year + month // 12, month % 12 + 1, 1, 0, 5, tzinfo=UTC)
        if begin > start:
            yield from _stay(chance, BIRTHDAY, begin, end - begin + _seconds(chance, 600), until)
    at = start
    while at < until:
        at = _at_day(chance, at + timedelta(days=chance.expovariate(1 / 110) + 2))
        group, days = (CART, 1.5) if chance.random() < 0.55 else (SLEEPING, 45.0)
        stay = timedelta(days=chance.expovariate(1 / days) + 0.1)
        yield from _stay(chance, group, at, stay, until)
        at += stay
    if chance.random() < 0.008:
        yield Event(until - timedelta(days=chance.uniform(1, 90)), "customer.deleted", {})


def _stay(
    chance: random.Random,
    segment: tuple[str, str],
    begin: datetime,
    length: timedelta,
    until: datetime,
) -> Iterator[Event]:
    data = {"segment": {"id": segment[0], "name": segment[1], "object": "segment"}}
    if begin < until:
        yield Event(begin, "customer.segment.entered", data)
        yield Event(begin + length + _seconds(chance, 5), "customer.segment.left", data)


def _loyalty(chance: random.Random, at: datetime, until: datetime) -> Iterator[Event]:
    rank = 0
    yield _tier_event("joined", at, {"loyalty_tier": _tier(rank, None)})
    while True:
        at = _at_day(chance, at + timedelta(days=chance.expovariate(1 / 70) + 10))
        if at > until:
            return
        expires, step = at + timedelta(days=184), chance.random()
        if step < 0.5 and rank < 2:
            rank += 1
            yield _tier_event("upgraded", at, _move(rank - 1, rank, expires))
        elif step < 0.72 and rank > 0:
            rank -= 1
            yield _tier_event("downgraded", at, _move(rank + 1, rank, expires))
        elif rank > 0:
            yield _tier_event("prolonged", at, {"loyalty_tier": _tier(rank, expires)})


def _move(before: int, after: int, expires: datetime) -> dict[str, Any]:
    return {"loyalty_tier_from": _tier(before, None), "loyalty_tier_to": _tier(after, expires)}


def _tier(rank: int, expires: datetime | None) -> dict[str, Any]:
    id_, name, points_from, points_to = TIERS[rank]
    tier: dict[str, Any] = {
        "id": id_,
        "name": name,
        "campaign_id": CAMPAIGN[0],
        "points": {"from": points_from, "to": points_to},
        "object": "loyalty_tier",
    }
    if expires is not None:
        tier["expiration"] = {"expiration_date": expires.date().isoformat()}
    return tier


def _tier_event(kind: str, at: datetime, data: dict[str, Any]) -> Event:
    campaign = {"id": CAMPAIGN[0], "name": CAMPAIGN[1], "object": "campaign"}
    return Event(at, f"customer.loyalty.tier.{kind}", {"campaign": campaign, **data})


def _delivery(
    chance: random.Random, customer: dict[str, Any], event: Event, event_id: str, at: datetime
) -> dict[str, Any]:
    distribution = random.Random(event.type).getrandbits(72)  # noqa: S311 - the same for each type
    return {
        "id": f"whs_{chance.getrandbits(72):018x}",
        "project_id": PROJECT,
        "created_at": _text(at),
        "type": event.type,
        "source": {"id": f"distr_{distribution:018x}", "object": "distribution"},
        "event": {"id": event_id, "type": event.type, "created_at": _text(event.at)},
        "data": {"customer": customer, **event.data},
    }


def _at_day(chance: random.Random, at: datetime) -> datetime:
    """Return a time on the same day, when a shop has customers: from 7 to 22."""
    hour = min(max(chance.gauss(14, 3.5), 7), 22)
    return at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(hours=hour)


def _seconds(chance: random.Random, most: float) -> timedelta:
    return timedelta(seconds=chance.uniform(1, most))


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


if __name__ == "__main__":
    main()
