"""What loyalty events say beside their kind: times, dates, points, campaigns; and whole stories."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest

from projector.projections.loyalty_tier import Row
from tests.support.given import (
    Delivery,
    deleted,
    downgraded,
    expiration_changed,
    given,
    joined,
    prolonged,
    tier,
    tier_left,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))


def on(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def tiers(*events: Delivery) -> list[Row]:
    return given(*events).then_rows("loyalty_tier")


def only_tier(*events: Delivery) -> Row:
    [only] = tiers(*events)
    return only


ENTERING = {
    "joined": lambda which, **more: joined("cust_1", which, at=TUESDAY, **more),
    "upgraded": lambda which, **more: upgraded("cust_1", None, which, at=TUESDAY, **more),
    "downgraded": lambda which, **more: downgraded("cust_1", None, which, at=TUESDAY, **more),
}
STAYING = {
    "prolonged": lambda which, **more: prolonged("cust_1", which, at=TUESDAY, **more),
    "expiration changed": lambda which, **more: expiration_changed(
        "cust_1", which, at=TUESDAY, **more
    ),
}
EVERY = {**ENTERING, **STAYING}
entering = pytest.mark.parametrize("event", ENTERING.values(), ids=ENTERING)
staying = pytest.mark.parametrize("event", STAYING.values(), ids=STAYING)
every = pytest.mark.parametrize("event", EVERY.values(), ids=EVERY)

#: What a tier may say of its end, and what that means.
DATES: dict[str, tuple[dict[str, Any], date | None]] = {
    "a date": ({"expiration": {"expiration_date": "2025-06-30"}}, date(2025, 6, 30)),
    "a time": ({"expiration": {"expiration_date": "2025-06-30T22:00:00Z"}}, date(2025, 6, 30)),
    "null": ({"expiration": {"expiration_date": None}}, None),
    "no date": ({"expiration": {"start_date": "2024-01-01"}}, None),
    "null in its place": ({"expiration": None}, None),
    "nothing": ({}, None),
}
dates = pytest.mark.parametrize(("end", "expires_on"), DATES.values(), ids=DATES)


@entering
def test_joined_at_is_the_created_at_of_the_event(event: Any) -> None:
    row = only_tier(event("gold", created_at="2024-03-05T11:59:00.5+02:00"))
    assert row.joined_at == on("2024-03-05T09:59:00.500Z")


@entering
@pytest.mark.parametrize("more", [{}, {"created_at": None}], ids=["absent", "null"])
def test_else_it_is_on_it_since_the_event(event: Any, more: Any) -> None:
    assert only_tier(event("gold", **more)).joined_at == on(TUESDAY)


@every
def test_joining_the_present_tier_again_keeps_joined_at(event: Any) -> None:
    row = only_tier(joined("cust_1", "gold", at=MONDAY), event("gold", created_at=WEDNESDAY))
    assert row.joined_at == on(MONDAY)


@staying
def test_since_when_is_unknown_where_the_entry_was_lost(event: Any) -> None:
    row = only_tier(event("gold", created_at=MONDAY))
    assert (row.tier_id, row.joined_at, row.gaps, row.certain) == ("gold", None, 1, True)


@entering
@dates
def test_expires_on_is_the_expiration_date_of_the_event(
    event: Any, end: Any, expires_on: date | None
) -> None:
    before = joined("cust_1", tier("silver", **DATES["a date"][0]), at=MONDAY)
    assert only_tier(before, event(tier("gold", **end))).expires_on == expires_on


@entering
@dates
def test_an_event_without_an_expiration_date_keeps_expires_on(
    event: Any, end: Any, expires_on: date | None
) -> None:
    known = tier("gold", expiration={"expiration_date": "2024-12-31"})
    row = only_tier(joined("cust_1", known, at=MONDAY), event(tier("gold", **end)))
    assert row.expires_on == (expires_on or date(2024, 12, 31))


@dates
def test_a_prolonged_tier_has_the_new_day_or_none(end: Any, expires_on: date | None) -> None:
    known = tier("gold", expiration={"expiration_date": "2024-12-31"})
    for before in ([joined("cust_1", known, at=MONDAY)], []):
        row = only_tier(*before, prolonged("cust_1", tier("gold", **end), at=TUESDAY))
        assert row.expires_on == expires_on


@pytest.mark.parametrize(
    ("more", "expires_on"),
    [
        pytest.param({"expiration_date": "2025-06-30"}, date(2025, 6, 30), id="a date"),
        pytest.param({"expiration_date": "2025-06-30T22:00:00Z"}, date(2025, 6, 30), id="a time"),
        pytest.param({"expiration_date": None}, None, id="null"),
        pytest.param({}, date(2024, 12, 31), id="only the tier's"),
    ],
)
def test_a_changed_expiration_is_the_new_day_or_none(
    more: dict[str, Any], expires_on: date | None
) -> None:
    known = tier("gold", expiration={"expiration_date": "2024-12-31"})
    for before in ([joined("cust_1", known, at=MONDAY)], []):
        row = only_tier(*before, expiration_changed("cust_1", known, at=TUESDAY, **more))
        assert row.expires_on == expires_on


@every
@pytest.mark.parametrize(
    ("more", "points"),
    [
        pytest.param({"points": {"from": 100, "to": 200}}, (100, 200), id="points"),
        pytest.param({"config": {"points": {"from": 100, "to": 200}}}, (100, 200), id="config"),
        pytest.param({"points": None, "config": {"points": {"from": 1}}}, (1, None), id="null"),
        pytest.param({"points": {"from": 300}}, (300, None), id="the top tier"),
        pytest.param({"points": {"from": 300, "to": None}}, (300, None), id="to null"),
        pytest.param({"points": {"from": 0, "to": 9}}, (0, 9), id="from zero"),
    ],
)
def test_the_points_of_a_tier(event: Any, more: Any, points: Any) -> None:
    for before in ([], [joined("cust_1", tier("gold", 7, 8), at=MONDAY)]):
        row = only_tier(*before, event(tier("gold", **more)))
        assert (row.points_from, row.points_to) == points


@every
@pytest.mark.parametrize(
    ("campaign", "of_tier", "campaign_id", "name"),
    [
        pytest.param({"id": "camp_1", "name": "One"}, "camp_2", "camp_1", "One", id="both"),
        pytest.param({"id": None, "name": "One"}, "camp_2", "camp_2", "One", id="null id"),
        pytest.param({"name": "One"}, "camp_2", "camp_2", "One", id="no id"),
        pytest.param(None, "camp_2", "camp_2", None, id="null"),
        pytest.param({"id": "camp_1"}, None, "camp_1", None, id="only the campaign"),
    ],
)
def test_the_campaign_is_that_of_the_event_or_else_that_of_the_tier(
    event: Any, campaign: Any, of_tier: str | None, campaign_id: str, name: str | None
) -> None:
    row = only_tier(event(tier("gold", campaign_id=of_tier), campaign=campaign))
    assert (row.campaign_id, row.campaign_name) == (campaign_id, name)


def test_campaigns_do_not_touch_each_other_even_with_tiers_and_names_in_common() -> None:
    first, second = tiers(
        joined("cust_1", "gold", at=MONDAY, campaign={"id": "camp_1", "name": "Club"}),
        joined("cust_1", "gold", at=TUESDAY, campaign={"id": "camp_2", "name": "Club"}),
        tier_left("cust_1", "gold", "camp_2", at=WEDNESDAY),
    )
    assert (first.tier_id, second.tier_id, second.previous_tier_id) == ("gold", None, "gold")


def test_a_tier_is_known_by_its_id_and_shown_by_its_newest_name() -> None:
    row = only_tier(
        joined("cust_1", tier("t1", name="Gold"), at=MONDAY),
        joined("cust_1", tier("t2", name="Gold"), at=TUESDAY),
        joined("cust_1", tier("t2", name="Platinum"), at=WEDNESDAY),
    )
    assert (row.tier_id, row.tier_name, row.previous_tier_id) == ("t2", "Platinum", "t1")


@pytest.mark.parametrize("campaign", [None, {"id": "camp_1"}, {"id": "camp_1", "name": None}])
@pytest.mark.parametrize(
    "event",
    [
        joined("cust_1", tier("silver", campaign_id="camp_1"), at=TUESDAY),
        upgraded("cust_1", "gold", tier("silver", campaign_id="camp_1"), at=TUESDAY),
        prolonged("cust_1", tier("gold", campaign_id="camp_1", name="Oro"), at=TUESDAY),
        expiration_changed("cust_1", tier("silver", campaign_id="camp_1"), at=TUESDAY),
        tier_left("cust_1", tier("gold", campaign_id="camp_1"), at=TUESDAY),
        tier_left("cust_1", tier("bronze", campaign_id="camp_1"), at=TUESDAY),
    ],
    ids=["joined", "upgraded", "prolonged", "expiration changed", "left", "left an unseen one"],
)
def test_an_event_without_a_campaign_name_keeps_the_known_one(
    event: Delivery, campaign: Any
) -> None:
    nameless = {**event, "data": {**event["data"], "campaign": campaign}}
    row = only_tier(joined("cust_1", "gold", at=MONDAY), nameless)
    assert row.changed_by == event["event"]["id"]
    assert row.campaign_name == "Campaign camp_1"


def test_a_move_ends_the_same_in_whatever_order_its_parts_come() -> None:
    parts: list[Callable[[str], Delivery]] = [
        lambda at: upgraded("cust_1", "silver", "gold", at=at, created_at=TUESDAY),
        lambda at: tier_left("cust_1", "silver", at=at),
        lambda at: joined("cust_1", "gold", at=at, created_at=TUESDAY),
    ]
    for count in (1, 2, 3):
        for order in permutations(parts, count):
            if len(order) == 1 and order[0] is parts[1]:
                continue
            instants = (f"2024-03-05T10:00:0{second}Z" for second in range(3))
            events = [part(at) for part, at in zip(order, instants, strict=False)]
            row = only_tier(joined("cust_1", "silver", at=MONDAY), *events)
            assert (row.tier_id, row.previous_tier_id, row.joined_at) == (
                "gold",
                "silver",
                on(TUESDAY),
            )
            assert (row.gaps, row.certain, row.left_at) == (0, True, None)


def test_leaving_an_unseen_tier_makes_the_present_one_uncertain_until_confirmed() -> None:
    doubted = (
        joined("cust_1", "silver", at=MONDAY),
        tier_left("cust_1", "platinum", at=TUESDAY),
    )
    row = only_tier(*doubted)
    assert (row.tier_id, row.certain, row.gaps) == ("silver", False, 1)
    row = only_tier(*doubted, joined("cust_1", "silver", at=WEDNESDAY))
    assert (row.tier_id, row.certain, row.gaps) == ("silver", True, 1)


def test_a_move_from_an_unseen_tier_to_the_present_one_proves_a_lost_move() -> None:
    """Silver holds since the return, and what is known of the first time does not carry over."""
    silver = tier("silver", expiration={"expiration_date": "2024-12-31"})
    row = only_tier(
        joined("cust_1", "bronze", at=MONDAY),
        upgraded("cust_1", "bronze", silver, at=TUESDAY),
        downgraded("cust_1", "gold", {"id": "silver"}, at=THURSDAY, id="e3"),
    )
    assert (row.tier_id, row.joined_at, row.gaps) == ("silver", on(THURSDAY), 1)
    assert (row.previous_tier_id, row.expires_on, row.certain) == ("gold", None, True)
    assert (row.tier_name, row.changed_by) == ("Tier silver", "e3")


def test_a_late_move_closes_the_gap_of_the_return_that_needed_it() -> None:
    lost = upgraded("cust_1", "silver", "gold", at=WEDNESDAY)
    others = (
        joined("cust_1", "silver", at=TUESDAY),
        downgraded("cust_1", "gold", "silver", at=THURSDAY),
    )
    assert only_tier(*others).gaps == 1
    for happened in permutations([*others, lost]):
        row = only_tier(*happened)
        assert (row.tier_id, row.gaps, row.joined_at) == ("silver", 0, on(THURSDAY))


@every
def test_an_event_without_labels_keeps_the_known_ones_of_the_tier_that_holds(event: Any) -> None:
    named = joined("cust_1", tier("gold", 7, 8), at=MONDAY)
    bare = {"id": "gold", "campaign_id": "camp_1"}
    row = only_tier(named, event(bare, campaign=None))
    assert (row.tier_name, row.points_from, row.points_to) == ("Tier gold", 7, 8)
    assert row.campaign_name == "Campaign camp_1"


@entering
def test_the_labels_of_one_tier_are_not_those_of_the_next(event: Any) -> None:
    row = only_tier(joined("cust_1", tier("silver", 7, 8), at=MONDAY), event({"id": "gold"}))
    assert (row.tier_id, row.tier_name, row.points_from) == ("gold", None, None)


def test_an_event_that_changes_no_tier_tells_the_newest_name_of_the_campaign() -> None:
    renamed = {"id": "camp_1", "name": "Club"}
    row = only_tier(
        joined("cust_1", "silver", at=MONDAY),
        upgraded("cust_1", "silver", "gold", at=TUESDAY),
        tier_left("cust_1", "silver", at=WEDNESDAY, campaign=renamed, id="e3"),
    )
    assert (row.tier_id, row.campaign_name, row.gaps) == ("gold", "Club", 0)
    assert row.changed_by == "e3"


def test_a_late_join_closes_the_gap_of_the_upgrade_that_needed_it() -> None:
    happened = given(
        joined("cust_1", "silver", at=MONDAY), upgraded("cust_1", "silver", "gold", at=TUESDAY)
    )
    assert only_tier(happened.webhooks[1]).gaps == 1
    [row] = happened.delivered(order=reversed).then_rows("loyalty_tier")
    assert (row.tier_id, row.gaps) == ("gold", 0)


def test_a_deletion_leaves_the_tiers_of_every_campaign_that_hold() -> None:
    first, second = tiers(
        joined("cust_1", "gold", "camp_1", at=MONDAY),
        joined("cust_1", "gold", "camp_2", at=MONDAY),
        tier_left("cust_1", "gold", "camp_2", at=TUESDAY),
        deleted("cust_1", at=THURSDAY),
    )
    assert (first.tier_id, first.previous_tier_id, first.left_at) == (None, "gold", on(THURSDAY))
    assert second.left_at == on(TUESDAY)
