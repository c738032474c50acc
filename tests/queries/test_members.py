"""Who is in a segment or on a tier, now and then."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from projector import Projector
from projector.errors import BadInstant, GroupNotFound, NotOne
from projector.queries.members import MemberPage
from projector.store.database import Database
from tests.support.given import (
    append_and_project,
    created,
    deleted,
    entered,
    joined,
    left,
    prolonged,
    tier_left,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
_TICK = timedelta(microseconds=1)

#: Both kinds.
GROUPS: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]


def names(database: Database, **asked: Any) -> list[str]:
    """The ids of the customers."""
    page = Projector(database).members(**asked, limit=100)
    return [each.customer_id for each in page.members]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_members_are_those_of_that_segment_and_of_that_tier(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        entered("cust_2", "seg_2", at=MONDAY),
        entered("cust_3", "seg_1", at=MONDAY),
        left("cust_3", "seg_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        joined("cust_2", "ltr_1", at=MONDAY),
        upgraded("cust_2", "ltr_1", "ltr_2", at=TUESDAY),
    )
    assert names(database, segment_id="seg_1") == ["cust_1"]
    assert names(database, segment_id="seg_2") == ["cust_2"]
    assert names(database, tier_id="ltr_1") == ["cust_1"]
    assert names(database, tier_id="ltr_2") == ["cust_2"]


def test_a_member_is_listed_with_its_ids_and_since(database: Database) -> None:
    append_and_project(
        database,
        created("cust_1", at=MONDAY, source_id="shop", name="Ada"),
        entered("cust_1", "seg_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=WEDNESDAY, created_at=MONDAY),
        # The entry into the tier was lost.
        prolonged("cust_2", "ltr_1", at=TUESDAY, expiration_date="2025-01-01"),
    )
    [member] = Projector(database).members(segment_id="seg_1", limit=1).members
    assert (member.project_id, member.customer_id) == ("proj_1", "cust_1")
    assert (member.source_id, member.name, member.since) == ("shop", "Ada", instant(TUESDAY))
    for as_of in (None, instant(THURSDAY)):
        both = Projector(database).members(tier_id="ltr_1", as_of=as_of, limit=2).members
        assert [(each.customer_id, each.since) for each in both] == [
            ("cust_1", instant(MONDAY)),
            ("cust_2", None),
        ]


def test_a_deleted_customer_is_no_member(database: Database) -> None:
    for customer_id in ("cust_1", "cust_2"):
        append_and_project(
            database,
            entered(customer_id, "seg_1", at=MONDAY),
            joined(customer_id, "ltr_1", at=MONDAY),
        )
    append_and_project(database, deleted("cust_1", at=TUESDAY))
    for group in GROUPS:
        assert names(database, **group) == ["cust_2"]
        assert names(database, **group, as_of=instant(TUESDAY)) == ["cust_2"]
        assert names(database, **group, as_of=instant(TUESDAY) - _TICK) == ["cust_1", "cust_2"]


def test_a_segment_or_tier_is_known_once_a_customer_was_in_it(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        left("cust_1", "seg_2", at=TUESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
        tier_left("cust_2", "ltr_2", at=TUESDAY),
    )
    groups: list[dict[str, Any]] = [
        {"segment_id": "seg_1"},
        {"segment_id": "seg_2"},
        {"tier_id": "ltr_1"},
        {"tier_id": "ltr_2"},
    ]
    for group in groups:
        assert Projector(database).members(**group, limit=1) == MemberPage(members=(), next=None)
    for unknown in ("ltr_1", "seg_3", "", "x" * 201, "\0", "\udcff"):
        with pytest.raises(GroupNotFound, match="segment"):
            Projector(database).members(segment_id=unknown, limit=1)
    for unknown in ("seg_1", "camp_1", "ltr_3", ""):
        with pytest.raises(GroupNotFound, match="tier"):
            Projector(database).members(tier_id=unknown, limit=1)


def test_exactly_one_group_is_asked_for(database: Database) -> None:
    both: dict[str, Any] = {"segment_id": "seg_1", "tier_id": "ltr_1"}
    for asked in ({}, both):
        with pytest.raises(NotOne):
            Projector(database).members(**asked, limit=1)


def test_the_members_of_then_are_those_whose_stint_had_begun_and_not_ended(
    database: Database,
) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        upgraded("cust_1", "ltr_1", "ltr_2", at=TUESDAY),
        upgraded("cust_1", "ltr_2", "ltr_1", at=WEDNESDAY),
    )
    for text, is_member in ((MONDAY, True), (TUESDAY, False), (WEDNESDAY, True)):
        for group in GROUPS:
            at = instant(text)
            assert names(database, **group, as_of=at) == ["cust_1"] * is_member
            assert names(database, **group, as_of=at + _TICK) == ["cust_1"] * is_member
            assert names(database, **group, as_of=at - _TICK) == ["cust_1"] * (text == TUESDAY)


def test_since_when_is_that_of_the_period(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=WEDNESDAY),
    )
    for group in GROUPS:
        for as_of, since in ((instant(MONDAY), MONDAY), (instant(THURSDAY), WEDNESDAY)):
            [member] = Projector(database).members(**group, as_of=as_of, limit=2).members
            assert member.since == instant(since)


def test_the_last_of_a_leaving_and_an_entering_at_one_instant_counts(
    database: Database,
) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY, id="1"),
        entered("cust_1", "seg_1", at=TUESDAY, id="2"),
        entered("cust_2", "seg_1", at=TUESDAY, id="3"),
        left("cust_2", "seg_1", at=TUESDAY, id="4"),
        joined("cust_1", "ltr_1", at=TUESDAY, id="5"),
        upgraded("cust_1", "ltr_1", "ltr_2", at=TUESDAY, id="6"),
    )
    for as_of in (None, instant(TUESDAY), instant(WEDNESDAY)):
        assert names(database, segment_id="seg_1", as_of=as_of) == ["cust_1"]
        assert names(database, tier_id="ltr_1", as_of=as_of) == []
        assert names(database, tier_id="ltr_2", as_of=as_of) == ["cust_1"]


def test_a_period_of_unknown_beginning_makes_no_member_as_of_then(database: Database) -> None:
    append_and_project(
        database,
        left("cust_1", "seg_1", at=TUESDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
    )
    for at in (MONDAY, TUESDAY, WEDNESDAY):
        assert names(database, segment_id="seg_1", as_of=instant(at)) == []
        assert names(database, tier_id="ltr_1", as_of=instant(at)) == []


def test_an_event_that_comes_late_changes_who_was_there(database: Database) -> None:
    append_and_project(database, left("cust_1", "seg_1", at=WEDNESDAY))
    assert names(database, segment_id="seg_1", as_of=instant(TUESDAY)) == []
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY))
    assert names(database, segment_id="seg_1", as_of=instant(TUESDAY)) == ["cust_1"]
    assert names(database, segment_id="seg_1") == []


def test_an_instant_of_then_may_have_any_offset_and_must_have_one(database: Database) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at=MONDAY))
    elsewhere = timezone(timedelta(hours=5, minutes=45))
    at = instant(MONDAY).astimezone(elsewhere)
    assert names(database, segment_id="seg_1", as_of=at) == ["cust_1"]
    assert names(database, segment_id="seg_1", as_of=at - _TICK) == []
    for extreme, found in (
        (datetime.min.replace(tzinfo=UTC), []),
        (datetime.max.replace(tzinfo=UTC), ["cust_1"]),
    ):
        assert names(database, segment_id="seg_1", as_of=extreme) == found
    for wrong in (instant(MONDAY).replace(tzinfo=None), datetime.min.replace(tzinfo=elsewhere)):
        with pytest.raises(BadInstant):
            Projector(database).members(segment_id="seg_1", as_of=wrong, limit=1)
