"""Why not: whether a segment or a tier holds, and which events gave it and took it away."""

from typing import Any

import pytest

from projector.errors import GroupNotFound
from projector.queries.customers import PointInTime
from projector.queries.why.explain import WhyNot
from projector.store.database import Database
from projector.text.instants import parse
from tests.support.given import (
    append_and_project,
    deleted,
    downgraded,
    entered,
    joined,
    left,
    prolonged,
    tier_left,
    updated,
    upgraded,
)
from tests.support.why import evolved, why_not

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY = (f"2024-03-0{day}T10:00:00Z" for day in range(4, 9))
UNREADABLE = entered("cust_1", {"name": "of no id"}, at=THURSDAY, id="bad")


def test_a_segment_is_held_taken_or_was_never_given(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY, id="in"),
        entered("cust_1", "seg_1", at=TUESDAY, id="again"),
        left("cust_1", "seg_1", at=WEDNESDAY, id="out"),
        left("cust_1", "seg_1", at=THURSDAY, id="out again"),
        entered("cust_1", "seg_2", at=MONDAY, id="in 2"),
        left("cust_1", "seg_2", at=TUESDAY, id="out 2"),
        entered("cust_1", "seg_2", at=WEDNESDAY, id="in 2 again"),
        left("cust_1", "seg_3", at=MONDAY, id="out 3"),
        entered("cust_2", "seg_4", at=MONDAY),
    )
    assert verdict(why_not(database, "seg_1")) == ("segment", "taken", "in", "out", None)
    assert verdict(why_not(database, "seg_2")) == ("segment", "holds", "in 2 again", None, None)
    assert verdict(why_not(database, "seg_3")) == ("segment", "never given", None, None, None)
    assert verdict(why_not(database, "seg_4")) == ("segment", "never given", None, None, None)
    # A later event changed the row of seg_1: what took it away does not decide it any more.
    decide = [why_not(database, each).given_by for each in ("seg_1", "seg_2")]
    assert [each and each.decides for each in decide] == [False, True]
    assert why_not(database, "seg_1").project_id == "proj_1"


def verdict(found: WhyNot) -> tuple[Any, ...]:
    """The kind, the verdict, the ids of the events, and the campaign."""
    given_by, taken_by = found.given_by, found.taken_by
    ids = given_by and given_by.event_id, taken_by and taken_by.event_id
    return found.kind, found.verdict, *ids, found.campaign_id


def test_a_tier_that_was_left_unseen_is_given_by_the_event_that_proves_the_return(
    database: Database,
) -> None:
    append_and_project(
        database,
        joined("cust_1", "silver", at=MONDAY, id="first time"),
        downgraded("cust_1", "gold", "silver", at=TUESDAY, id="return"),
        joined("cust_1", "silver", at=WEDNESDAY, id="again"),
    )
    found = why_not(database, "silver")
    assert verdict(found) == ("tier", "holds", "return", None, "camp_1")
    assert found.given_by is not None
    assert found.given_by.decides


def test_a_tier_is_held_taken_or_was_never_given(database: Database) -> None:
    append_and_project(
        database,
        joined("cust_1", "silver", at=MONDAY, id="silver"),
        upgraded("cust_1", "silver", "gold", at=TUESDAY, id="gold"),
        prolonged("cust_1", "gold", at=WEDNESDAY, id="still gold"),
        downgraded("cust_1", "gold", "silver", at=THURSDAY, id="no gold"),
        tier_left("cust_1", "iron", "camp_2", at=MONDAY, id="no iron"),
        joined("cust_2", "ruby", at=MONDAY),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "gold", "no gold", "camp_1")
    assert verdict(why_not(database, "silver")) == ("tier", "holds", "no gold", None, "camp_1")
    assert verdict(why_not(database, "iron")) == ("tier", "never given", None, None, "camp_2")
    assert verdict(why_not(database, "ruby")) == ("tier", "never given", None, None, None)
    found = why_not(database, "gold")
    assert found.taken_by is not None
    assert found.taken_by.decides
    assert found.taken_by.before.tier_id == "gold"  # type: ignore[union-attr]
    assert found.taken_by.after.tier_id == "silver"  # type: ignore[union-attr]
    then = why_not(database, "gold", moment=PointInTime(as_of=parse(WEDNESDAY)))
    assert verdict(then) == ("tier", "holds", "gold", None, "camp_1")


def test_a_deletion_takes_everything_away(database: Database) -> None:
    append_and_project(
        database,
        joined("cust_1", "gold", at=MONDAY, id="gold"),
        entered("cust_1", "seg_1", at=MONDAY, id="in"),
        deleted("cust_1", at=TUESDAY, id="gone"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "gold", "gone", "camp_1")
    assert verdict(why_not(database, "seg_1")) == ("segment", "taken", "in", "gone", None)


def test_one_tier_in_two_campaigns_is_held_where_it_holds_or_was_taken_last(
    database: Database,
) -> None:
    append_and_project(
        database,
        joined("cust_1", "gold", "camp_2", at=MONDAY, id="2"),
        joined("cust_1", "gold", "camp_1", at=TUESDAY, id="1"),
        tier_left("cust_1", "gold", "camp_1", at=WEDNESDAY, id="-1"),
        tier_left("cust_1", "gold", "camp_2", at=THURSDAY, id="-2"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "2", "-2", "camp_2")
    then = why_not(database, "gold", moment=PointInTime(as_of=parse(WEDNESDAY)))
    assert verdict(then) == ("tier", "holds", "2", None, "camp_2")
    append_and_project(
        database,
        joined("cust_1", "gold", "camp_1", at=FRIDAY, id="1 again"),
        deleted("cust_1", at=FRIDAY, id="9"),
    )
    assert verdict(why_not(database, "gold")) == ("tier", "taken", "1 again", "9", "camp_1")


def test_the_campaign_of_a_tier_never_held_is_taken_from_an_event(
    database: Database,
) -> None:
    append_and_project(
        database,
        # Somebody else is on it, but which campaign is meant the customer's own events know.
        joined("cust_2", "iron", "camp_2", at=MONDAY),
        downgraded("cust_1", "iron", "silver", at=MONDAY),
        evolved(tier_left("cust_1", "iron", None, at=TUESDAY), "of no campaign"),
    )
    assert verdict(why_not(database, "iron")) == ("tier", "never given", None, None, "camp_1")


def test_an_id_of_a_segment_and_of_a_tier_is_what_the_customer_has(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "both", at=TUESDAY, id="in"),
        left("cust_1", "both", at=FRIDAY, id="out"),
        joined("cust_1", "both", at=MONDAY, id="on"),
        updated("cust_2", at=MONDAY),
        tier_left("cust_3", "both", at=MONDAY),
        left("cust_3", "both", at=MONDAY),
    )
    assert verdict(why_not(database, "both")) == ("tier", "holds", "on", None, "camp_1")
    for other in ("cust_2", "cust_3"):
        found = why_not(database, "both", identifier=other)
        assert verdict(found) == (None, "never given", None, None, None)


def test_a_verdict_counts_the_deliveries_proven_lost(database: Database) -> None:
    append_and_project(
        database,
        left("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_2", at=MONDAY),
        joined("cust_1", "bronze", at=MONDAY),
        tier_left("cust_1", "gold", at=TUESDAY),
        tier_left("cust_1", "iron", "camp_2", at=TUESDAY),
        joined("cust_2", "steel", at=MONDAY),
    )
    gaps = {what: why_not(database, what).gaps for what in ("seg_1", "gold", "iron", "steel")}
    # Of which campaign steel is, no event of the customer tells.
    assert gaps == {"seg_1": 1, "gold": 1, "iron": 1, "steel": 2}


def test_a_segment_entered_only_later_is_known_and_not_held_before(database: Database) -> None:
    append_and_project(
        database,
        updated("cust_1", at=MONDAY),
        joined("cust_1", "gold", at=TUESDAY),
        tier_left("cust_1", "gold", at=WEDNESDAY),
    )
    for moment in (PointInTime(as_of=parse(MONDAY)), PointInTime(at_position=1)):
        found = why_not(database, "gold", moment=moment)
        assert verdict(found) == ("tier", "never given", None, None, "camp_1")


@pytest.mark.parametrize("what", ["gold", "", "\0", "x" * 201, "\udcff"])
def test_an_id_that_no_event_names_is_not_known(database: Database, what: str) -> None:
    append_and_project(database, joined("cust_1", "silver", at=MONDAY), UNREADABLE)
    with pytest.raises(GroupNotFound, match="segment or tier"):
        why_not(database, what)
