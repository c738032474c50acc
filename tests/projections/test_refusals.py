"""What only some folds need is refused by them alone; the others take the event."""

from typing import Any

import pytest

from projector.facts.codec import decode
from projector.projections import customer, loyalty_tier, loyalty_tier_history
from projector.projections.projection import Projection, fold
from tests.support.given import Delivery, envelope, expiration_changed, joined, tier, upgraded

MONDAY = "2024-03-04T10:00:00Z"

REFUSED: dict[str, tuple[Delivery, str]] = {
    "no campaign": (joined("cust_1", "gold", None, at=MONDAY), "no campaign"),
    "no campaign of a move": (
        upgraded("cust_1", "silver", "gold", None, at=MONDAY),
        "no campaign",
    ),
    "no date": (expiration_changed("cust_1", "gold", at=MONDAY, expiration_date="soon"), "soon"),
    "a date that is not": (
        joined("cust_1", tier("gold", expiration={"expiration_date": "2023-02-29"}), at=MONDAY),
        "day is out of range",
    ),
    "a week, which is no date": (
        joined("cust_1", tier("gold", expiration={"expiration_date": "2023-W01-1"}), at=MONDAY),
        "2023-W01-1",
    ),
    "a time before the year 1": (
        joined("cust_1", "gold", at=MONDAY, created_at="0001-01-01T00:00:00+05:45"),
        "years 1 to 9999",
    ),
}


@pytest.mark.parametrize(("delivery", "reason"), REFUSED.values(), ids=REFUSED)
def test_an_unreadable_tier_is_refused_by_the_tier_and_not_by_the_customer(
    delivery: Delivery, reason: str
) -> None:
    event = envelope(delivery)
    fact = decode(event)
    assert fact is not None
    projections: list[Projection] = [
        customer.PROJECTION,
        loyalty_tier.PROJECTION,
        loyalty_tier_history.PROJECTION,
    ]
    initial: list[Any] = [each.initial for each in projections]
    [who, tiers, periods], failures = fold(projections, initial, [(event.key, fact, 7)])
    assert who.event_count == 1
    assert tiers == periods == {}
    assert [(each.projection, each.position) for each in failures] == [
        ("loyalty_tier", 7),
        ("loyalty_tier_history", 7),
    ]
    assert all(reason in each.reason for each in failures)
