"""From when to when who was on which tier."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from projector.envelope import CanonicalKey
from projector.facts.events import Campaign, Tier, TierJoined, TierLeft
from projector.projections.loyalty_tier_history import PROJECTION, Row
from tests.support.given import (
    Delivery,
    deleted,
    downgraded,
    entered,
    expiration_changed,
    given,
    joined,
    prolonged,
    tier,
    tier_left,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
TOLD = "2024-02-29T23:00:00Z"


def on(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def row(tier_id: str = "gold", period: int = 1, **values: Any) -> Row:
    """A period on a tier of camp_1; what is not said is not known."""
    plain: dict[str, Any] = {
        "campaign_id": "camp_1",
        "period": period,
        "campaign_name": "Campaign camp_1",
        "tier_id": tier_id,
        "tier_name": f"Tier {tier_id}",
        "previous_tier_id": None,
        "joined_at": None,
        "valid_from": None,
        "valid_to": None,
        "opened_by": None,
        "closed_by": None,
    }
    return Row(**{**plain, **values})


def began(at: str, by: str) -> dict[str, Any]:
    """What an event that opens a period sets, where it tells no other time."""
    return {"joined_at": on(at), "valid_from": on(at), "opened_by": by}


def ended(at: str, by: str) -> dict[str, Any]:
    """What an event that ends a period sets."""
    return {"valid_to": on(at), "closed_by": by}


def periods(*events: Delivery) -> list[Row]:
    return given(*events).then_rows("loyalty_tier_history")


ON_GOLD = joined("cust_1", "gold", at=MONDAY, id="e1")

#: How a customer comes from gold to silver.
MOVES = {
    "joined": joined("cust_1", "silver", at=TUESDAY, id="e2"),
    "upgraded": upgraded("cust_1", "gold", "silver", at=TUESDAY, id="e2"),
    "downgraded": downgraded("cust_1", "gold", "silver", at=TUESDAY, id="e2"),
    "downgraded from null": downgraded("cust_1", None, "silver", at=TUESDAY, id="e2"),
}
#: What is said of a tier that one was not known to be on.
FOUND = {
    "prolonged": prolonged("cust_1", "silver", at=TUESDAY, id="e2"),
    "expiration changed": expiration_changed("cust_1", "silver", at=TUESDAY, id="e2"),
}
#: What is said again of who is on gold.
REFRESHES = {
    "joined": joined("cust_1", tier("gold", name="Oro"), at=TUESDAY),
    "upgraded": upgraded("cust_1", None, tier("gold", name="Oro"), at=TUESDAY),
    "downgraded": downgraded("cust_1", None, tier("gold", name="Oro"), at=TUESDAY),
    "prolonged": prolonged("cust_1", tier("gold", name="Oro"), at=TUESDAY),
    "expiration changed": expiration_changed("cust_1", tier("gold", name="Oro"), at=TUESDAY),
}


def test_a_customer_without_events_has_no_periods() -> None:
    assert periods() == []


def test_joining_a_tier_begins_an_open_period() -> None:
    assert periods(ON_GOLD) == [row(**began(MONDAY, "e1"))]


def test_a_stint_begins_with_its_event_although_the_tier_was_joined_at_another_time() -> None:
    [only] = periods(joined("cust_1", "gold", at=MONDAY, created_at=TOLD))
    assert (only.valid_from, only.joined_at) == (on(MONDAY), on(TOLD))


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_moving_to_another_tier_ends_one_period_and_begins_the_next(move: Delivery) -> None:
    assert periods(ON_GOLD, move) == [
        row(**began(MONDAY, "e1"), **ended(TUESDAY, "e2")),
        row("silver", 2, previous_tier_id="gold", **began(TUESDAY, "e2")),
    ]


@pytest.mark.parametrize("event", FOUND.values(), ids=FOUND)
def test_a_proof_of_another_tier_begins_a_period_without_joined_at(
    event: Delivery,
) -> None:
    assert periods(ON_GOLD, event) == [
        row(**began(MONDAY, "e1"), **ended(TUESDAY, "e2")),
        row("silver", 2, previous_tier_id="gold", valid_from=on(TUESDAY), opened_by="e2"),
    ]


def test_a_move_from_a_tier_that_was_never_seen_is_from_that_tier() -> None:
    assert periods(ON_GOLD, upgraded("cust_1", "bronze", "silver", at=TUESDAY, id="e2")) == [
        row(**began(MONDAY, "e1"), **ended(TUESDAY, "e2")),
        row("silver", 2, previous_tier_id="bronze", **began(TUESDAY, "e2")),
    ]


@pytest.mark.parametrize("event", REFRESHES.values(), ids=REFRESHES)
def test_news_of_the_present_tier_keep_the_stint_and_refresh_its_name(event: Delivery) -> None:
    assert periods(ON_GOLD, event) == [row(tier_name="Oro", **began(MONDAY, "e1"))]


def test_a_move_to_the_present_tier_sets_the_previous_tier() -> None:
    again = upgraded("cust_1", "gold", "gold", at=TUESDAY)
    assert periods(ON_GOLD, again) == [row(previous_tier_id="gold", **began(MONDAY, "e1"))]


def test_a_move_from_an_unseen_tier_to_the_present_one_begins_another_period() -> None:
    """They had left it for that tier: the delivery is lost, and so is the day."""
    back = downgraded("cust_1", "platinum", "gold", at=WEDNESDAY, id="e2")
    assert periods(ON_GOLD, back) == [
        row(**began(MONDAY, "e1"), **ended(WEDNESDAY, "e2")),
        row(period=2, previous_tier_id="platinum", **began(WEDNESDAY, "e2")),
    ]


def test_what_only_renames_the_campaign_begins_and_ends_nothing() -> None:
    renamed = {"id": "camp_1", "name": "Club"}
    left_gold = tier_left("cust_1", "gold", at=TUESDAY, id="e2")
    again = tier_left("cust_1", "gold", at=WEDNESDAY, campaign=renamed)
    assert periods(ON_GOLD, left_gold, again) == [
        row(campaign_name="Club", **began(MONDAY, "e1"), **ended(TUESDAY, "e2"))
    ]


def test_the_event_that_ends_a_period_tells_the_newest_name_of_its_tier() -> None:
    gone = tier_left("cust_1", tier("gold", name="Oro"), at=TUESDAY, id="e2")
    assert periods(ON_GOLD, gone) == [
        row(tier_name="Oro", **began(MONDAY, "e1"), **ended(TUESDAY, "e2"))
    ]


def test_leaving_a_tier_ends_the_period_and_keeps_its_values() -> None:
    assert periods(
        ON_GOLD,
        upgraded("cust_1", "gold", "platinum", at=TUESDAY, id="e2", created_at=TOLD),
        tier_left("cust_1", "platinum", at=WEDNESDAY, id="e3"),
    ) == [
        row(**began(MONDAY, "e1"), **ended(TUESDAY, "e2")),
        row(
            "platinum",
            2,
            previous_tier_id="gold",
            **{**began(TUESDAY, "e2"), "joined_at": on(TOLD)},
            **ended(WEDNESDAY, "e3"),
        ),
    ]


def test_returning_to_a_tier_begins_the_next_period() -> None:
    assert periods(
        ON_GOLD,
        tier_left("cust_1", "gold", at=TUESDAY, id="e2"),
        joined("cust_1", "gold", at=WEDNESDAY, id="e3"),
    ) == [
        row(**began(MONDAY, "e1"), **ended(TUESDAY, "e2")),
        row("gold", 2, previous_tier_id="gold", **began(WEDNESDAY, "e3")),
    ]


def test_the_leave_that_accompanies_a_move_changes_nothing() -> None:
    moved = (ON_GOLD, upgraded("cust_1", "gold", "platinum", at=TUESDAY, id="e2"))
    assert periods(*moved, tier_left("cust_1", "gold", at=WEDNESDAY)) == periods(*moved)


def test_leaving_a_second_time_changes_nothing() -> None:
    gone = (ON_GOLD, tier_left("cust_1", "gold", at=TUESDAY, id="e2"))
    assert periods(*gone, tier_left("cust_1", "gold", at=WEDNESDAY)) == periods(*gone)


def test_leaving_a_tier_that_was_never_seen_ends_a_stint_of_unknown_beginning() -> None:
    assert periods(tier_left("cust_1", "gold", at=MONDAY, id="e1")) == [row(**ended(MONDAY, "e1"))]


def test_each_unseen_tier_that_is_left_is_a_stint_and_its_second_leave_is_none() -> None:
    assert periods(
        tier_left("cust_1", "gold", at=MONDAY, id="e1"),
        tier_left("cust_1", "silver", at=TUESDAY, id="e2"),
        tier_left("cust_1", "silver", at=WEDNESDAY, id="e3"),
    ) == [row(**ended(MONDAY, "e1")), row("silver", 2, **ended(TUESDAY, "e2"))]


def test_after_a_stint_of_unknown_beginning_its_tier_is_the_previous_one() -> None:
    [_, second] = periods(
        tier_left("cust_1", "gold", at=MONDAY), joined("cust_1", "silver", at=TUESDAY)
    )
    assert (second.tier_id, second.previous_tier_id) == ("silver", "gold")


def test_leaving_an_unseen_tier_while_on_another_changes_no_period() -> None:
    assert periods(ON_GOLD, tier_left("cust_1", "silver", at=TUESDAY)) == periods(ON_GOLD)


def test_a_deletion_ends_every_stint_that_lasts_and_no_other() -> None:
    assert periods(
        ON_GOLD,
        joined("cust_1", "one", "camp_2", at=MONDAY, id="e2"),
        tier_left("cust_1", "one", "camp_2", at=TUESDAY, id="e3"),
        deleted("cust_1", at=THURSDAY, id="e4"),
    ) == [
        row(**began(MONDAY, "e1"), **ended(THURSDAY, "e4")),
        row(
            "one",
            campaign_id="camp_2",
            campaign_name="Campaign camp_2",
            **began(MONDAY, "e2"),
            **ended(TUESDAY, "e3"),
        ),
    ]


def test_a_deletion_of_who_is_on_no_tier_makes_no_period() -> None:
    assert periods(deleted("cust_1", at=MONDAY)) == []


def test_leaving_after_the_deletion_accompanies_it() -> None:
    gone = (ON_GOLD, deleted("cust_1", at=TUESDAY, id="e2"))
    assert periods(*gone, tier_left("cust_1", "gold", at=WEDNESDAY)) == periods(*gone)


def test_campaigns_count_their_stints_apart() -> None:
    found = periods(
        ON_GOLD,
        joined("cust_1", "one", "camp_2", at=TUESDAY),
        joined("cust_1", "silver", at=WEDNESDAY),
        joined("cust_1", "two", "camp_2", at=THURSDAY),
    )
    assert [(each.campaign_id, each.period, each.tier_id) for each in found] == [
        ("camp_1", 1, "gold"),
        ("camp_1", 2, "silver"),
        ("camp_2", 1, "one"),
        ("camp_2", 2, "two"),
    ]


def _in_campaign(name: str | None) -> dict[str, Any]:
    return {"campaign": {"id": "camp_1", "name": name}}


def test_the_open_period_has_the_newest_campaign_name_and_ended_ones_keep_theirs() -> None:
    found = periods(
        joined("cust_1", "gold", at=MONDAY, **_in_campaign("Club")),
        tier_left("cust_1", "gold", at=TUESDAY, **_in_campaign("Great Club")),
        joined("cust_1", "gold", at=WEDNESDAY, **_in_campaign(None)),
        tier_left("cust_1", "silver", at=THURSDAY, **_in_campaign("Greatest Club")),
    )
    assert [each.campaign_name for each in found] == ["Great Club", "Greatest Club"]


def test_other_facts_change_no_period() -> None:
    assert periods(ON_GOLD, entered("cust_1", "seg_1", at=TUESDAY)) == periods(ON_GOLD)


def test_a_fact_that_the_tier_fold_refuses_leaves_the_periods_unchanged() -> None:
    soon = tier("silver", expiration={"expiration_date": "soon"})
    refused = (
        upgraded("cust_1", "gold", "silver", None, at=TUESDAY),
        joined("cust_1", soon, at=WEDNESDAY),
    )
    assert periods(ON_GOLD, *refused) == periods(ON_GOLD)


def test_a_stint_within_one_instant_is_kept_although_it_never_held() -> None:
    [first, second] = periods(
        joined("cust_1", "gold", at=MONDAY, id="a"), joined("cust_1", "silver", at=MONDAY, id="b")
    )
    assert (first.valid_from, first.valid_to) == (on(MONDAY), on(MONDAY))
    assert (second.valid_from, second.valid_to) == (on(MONDAY), None)


def test_the_order_of_arrival_does_not_matter() -> None:
    happened = (
        ON_GOLD,
        MOVES["upgraded"],
        tier_left("cust_1", "silver", at=WEDNESDAY, id="e3"),
        joined("cust_1", "gold", at=THURSDAY, id="e4"),
    )
    for webhooks in permutations(happened):
        arrived = given(*webhooks).delivered(times=2)
        assert arrived.then_rows("loyalty_tier_history") == periods(*happened)


def test_returning_without_a_campaign_name_keeps_the_known_one() -> None:
    key = CanonicalKey(on(MONDAY), "a")
    named = TierLeft(loyalty_tier=Tier(id="gold"), campaign=Campaign(id="camp_1", name="Points"))
    nameless = TierLeft(loyalty_tier=Tier(id="silver"), campaign=Campaign(id="camp_1"))
    evolve = PROJECTION.evolvers[TierLeft]
    rows = PROJECTION.to_rows(evolve(evolve(PROJECTION.initial, named, key), nameless, key))
    assert [each.campaign_name for each in rows] == ["Points", "Points"]


def test_rows_are_read_back_by_their_campaigns() -> None:
    state = PROJECTION.initial
    for campaign_id in ("camp_1", "camp_2"):
        fact = TierJoined(loyalty_tier=Tier(id="gold"), campaign=Campaign(id=campaign_id))
        state = PROJECTION.evolvers[TierJoined](state, fact, CanonicalKey(on(MONDAY), "a"))
    assert PROJECTION.from_rows(PROJECTION.to_rows(state)) == state
