"""Who is in which segment, since when, and what the evidence says of lost deliveries."""

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from msgspec.structs import replace

from projector.projections.segment_membership import Row
from tests.support.given import deleted, entered, given, left, segment, updated

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))


def on(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def row(**values: Any) -> Row:
    """A row of segment seg_1, with the values that are not said as they are at first."""
    plain: dict[str, Any] = {
        "segment_id": "seg_1",
        "segment_name": "Segment seg_1",
        "is_member": False,
        "entered_at": None,
        "left_at": None,
        "ended_by_deletion": False,
        "gaps": 0,
    }
    return Row(**{**plain, **values})


def membership(*events: Any) -> list[Row]:
    return given(*events).then_rows("segment_membership")


def test_a_customer_without_events_has_no_rows() -> None:
    assert membership() == []


def test_entering_a_segment_makes_the_customer_a_member() -> None:
    assert membership(entered("cust_1", "seg_1", at=MONDAY, id="e1")) == [
        row(is_member=True, entered_at=on(MONDAY), changed_by="e1")
    ]


def test_the_time_of_an_entry_is_that_of_the_event_and_not_the_birth_of_the_customer() -> None:
    born = {"id": "cust_1", "created_at": "2019-01-01T00:00:00Z"}
    [only] = membership(entered("cust_1", "seg_1", at=MONDAY, customer=born))
    assert only.entered_at == on(MONDAY)


def test_a_member_who_is_announced_again_stays_as_it_was() -> None:
    first = entered("cust_1", "seg_1", at=MONDAY, id="e1")
    again = entered("cust_1", "seg_1", at=TUESDAY, id="e2")
    assert membership(first, again) == membership(first)


def test_a_member_who_is_announced_again_gets_the_newest_name_of_the_segment() -> None:
    """It is late or not: the newest event in canonical order decides."""
    happened = given(
        entered("cust_1", segment("seg_1", name="Newcomers"), at=MONDAY, id="e1"),
        entered("cust_1", segment("seg_1", name="New"), at=WEDNESDAY, id="e3"),
        entered("cust_1", segment("seg_1", name="New customers"), at=TUESDAY, id="e2"),
    )
    for order in (None, reversed):
        arrived = happened if order is None else happened.delivered(order=order)
        assert arrived.then_rows("segment_membership") == [
            row(is_member=True, entered_at=on(MONDAY), segment_name="New", changed_by="e3")
        ]


def test_leaving_a_segment_ends_the_membership_and_keeps_entered_at() -> None:
    assert membership(
        entered("cust_1", "seg_1", at=MONDAY), left("cust_1", "seg_1", at=TUESDAY, id="e2")
    ) == [row(entered_at=on(MONDAY), left_at=on(TUESDAY), changed_by="e2")]


def test_leaving_without_an_entry_proves_that_a_delivery_was_lost() -> None:
    assert membership(left("cust_1", "seg_1", at=MONDAY, id="e1")) == [
        row(left_at=on(MONDAY), gaps=1, changed_by="e1")
    ]


def test_leaving_twice_proves_that_the_entry_between_was_lost() -> None:
    assert membership(
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        left("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    ) == [row(entered_at=None, left_at=on(WEDNESDAY), gaps=1, changed_by="e3")]


def test_every_lost_entry_is_counted() -> None:
    [only] = membership(*(left("cust_1", "seg_1", at=day) for day in (MONDAY, TUESDAY, WEDNESDAY)))
    assert only.gaps == 3


def test_returning_to_a_segment_sets_entered_at_and_keeps_the_gaps() -> None:
    assert membership(
        left("cust_1", "seg_1", at=MONDAY),
        entered("cust_1", "seg_1", at=TUESDAY, id="e2"),
    ) == [row(is_member=True, entered_at=on(TUESDAY), left_at=None, gaps=1, changed_by="e2")]


def test_a_member_who_leaves_after_a_gap_adds_none() -> None:
    [only] = membership(
        left("cust_1", "seg_1", at=MONDAY),
        entered("cust_1", "seg_1", at=TUESDAY),
        left("cust_1", "seg_1", at=WEDNESDAY),
    )
    assert (only.entered_at, only.left_at, only.gaps) == (on(TUESDAY), on(WEDNESDAY), 1)


def test_a_deletion_ends_every_membership_that_holds_and_no_other() -> None:
    history = (
        entered("cust_1", "seg_1", at=MONDAY),
        entered("cust_1", "seg_2", at=MONDAY),
        left("cust_1", "seg_2", at=TUESDAY, id="e3"),
    )
    assert membership(*history, deleted("cust_1", at=THURSDAY, id="e4")) == [
        row(entered_at=on(MONDAY), left_at=on(THURSDAY), ended_by_deletion=True, changed_by="e4"),
        row(
            segment_id="seg_2",
            segment_name="Segment seg_2",
            entered_at=on(MONDAY),
            left_at=on(TUESDAY),
            changed_by="e3",
        ),
    ]


def test_the_deletion_of_a_customer_in_no_segment_makes_no_row() -> None:
    assert membership(deleted("cust_1", at=MONDAY)) == []


@pytest.mark.parametrize("then", [TUESDAY, WEDNESDAY], ids=["at once", "later"])
def test_leaving_after_the_deletion_only_accompanies_it(then: str) -> None:
    """Whether a deletion sends them is unverified; twice is no gap either."""
    ended = [entered("cust_1", "seg_1", at=MONDAY), deleted("cust_1", at=TUESDAY, id="b")]
    accompanied = [*ended, left("cust_1", "seg_1", at=then, id="c")]
    assert membership(*accompanied) == membership(*ended)
    again = left("cust_1", "seg_1", at=THURSDAY, id="d")
    assert membership(*accompanied, again) == membership(*ended)


def test_leaving_after_the_deletion_tells_the_newest_name() -> None:
    [only] = membership(
        entered("cust_1", "seg_1", at=MONDAY),
        deleted("cust_1", at=TUESDAY),
        left("cust_1", segment("seg_1", name="New"), at=WEDNESDAY, id="e3"),
    )
    assert (only.segment_name, only.gaps, only.left_at) == ("New", 0, on(TUESDAY))
    assert only.changed_by == "e3"


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([], id="unknown before"),
        pytest.param([entered("cust_1", "seg_1", at=MONDAY)], id="a member before"),
        pytest.param(
            [entered("cust_1", "seg_1", at=MONDAY), left("cust_1", "seg_1", at=MONDAY)],
            id="left before",
        ),
        pytest.param([left("cust_1", "seg_1", at=MONDAY)], id="a lost entry before"),
    ],
)
@pytest.mark.parametrize("after", [[], [left("cust_1", "seg_1", at=WEDNESDAY, id="z")]])
def test_at_one_instant_the_order_of_leaving_and_deletion_makes_no_difference(
    before: list[Any], after: list[Any]
) -> None:
    """Which of the two ended the membership cannot be known: their ids are made up."""
    either, other = (
        membership(
            *before,
            deleted("cust_1", at=TUESDAY, id=deletion_id),
            left("cust_1", "seg_1", at=TUESDAY, id=leave_id),
            *after,
        )
        for deletion_id, leave_id in (("a", "b"), ("b", "a"))
    )
    for rows in (either, other):
        rows[:] = [replace(each, changed_by="") for each in rows]
    assert either == other


def test_leaving_after_a_return_that_follows_the_deletion_ends_the_membership() -> None:
    [only] = membership(
        entered("cust_1", "seg_1", at=MONDAY),
        deleted("cust_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
        left("cust_1", "seg_1", at=THURSDAY, id="e4"),
    )
    assert only == row(entered_at=on(WEDNESDAY), left_at=on(THURSDAY), changed_by="e4")


def test_leaving_after_a_deletion_that_ended_nothing_is_a_lost_entry() -> None:
    [only] = membership(
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        deleted("cust_1", at=WEDNESDAY),
        left("cust_1", "seg_1", at=THURSDAY),
    )
    assert only.gaps == 1


def test_segments_do_not_touch_each_other() -> None:
    assert membership(
        left("cust_1", "seg_2", at=MONDAY, id="e1"), entered("cust_1", "seg_1", at=MONDAY, id="e2")
    ) == [
        row(is_member=True, entered_at=on(MONDAY), changed_by="e2"),
        row(
            segment_id="seg_2",
            segment_name="Segment seg_2",
            left_at=on(MONDAY),
            gaps=1,
            changed_by="e1",
        ),
    ]


def test_a_segment_is_known_by_its_id_and_shown_by_its_newest_name() -> None:
    [only] = membership(
        entered("cust_1", segment("seg_1", name="Newcomers"), at=MONDAY),
        left("cust_1", segment("seg_1", name="New customers"), at=TUESDAY),
    )
    assert only.segment_name == "New customers"


@pytest.mark.parametrize("name", [{"name": None}, {}], ids=["null", "absent"])
def test_an_event_without_a_segment_name_does_not_clear_the_known_one(name: Any) -> None:
    [only] = membership(
        entered("cust_1", segment("seg_1", name="Newcomers"), at=MONDAY),
        left("cust_1", {"id": "seg_1", **name}, at=TUESDAY),
    )
    assert only.segment_name == "Newcomers"


def test_other_facts_change_no_membership() -> None:
    history = (entered("cust_1", "seg_1", at=MONDAY, id="e1"), updated("cust_1", at=TUESDAY))
    assert membership(*history) == membership(history[0])


def test_a_late_entry_does_not_undo_a_leave() -> None:
    happened = given(
        entered("cust_1", "seg_1", at=MONDAY), left("cust_1", "seg_1", at=TUESDAY, id="e2")
    )
    assert happened.delivered(order=reversed).then_rows("segment_membership") == [
        row(entered_at=on(MONDAY), left_at=on(TUESDAY), changed_by="e2")
    ]


def test_a_late_leave_is_no_gap_once_its_entry_is_there() -> None:
    happened = given(
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    )
    for webhooks in permutations(happened.webhooks):
        arrived = given(*webhooks).delivered(times=2)
        assert arrived.then_rows("segment_membership") == [
            row(is_member=True, entered_at=on(WEDNESDAY), changed_by="e3")
        ]


@pytest.mark.parametrize(
    ("entry_id", "leave_id", "is_member"),
    [
        ("a", "b", False),
        ("b", "a", True),
        ("Z", "a", False),
        ("é", "z", True),
        ("😀", "\uffff", True),
    ],
)
def test_at_one_instant_the_bytes_of_the_ids_decide(
    entry_id: str, leave_id: str, is_member: bool
) -> None:
    [only] = membership(
        entered("cust_1", "seg_1", at=MONDAY, id=entry_id),
        left("cust_1", "seg_1", at=MONDAY, id=leave_id),
    )
    assert only.is_member is is_member


def test_instants_are_compared_and_not_their_texts() -> None:
    [only] = membership(
        left("cust_1", "seg_1", at="2024-03-04T12:00:00.000001+05:00"),
        entered("cust_1", "seg_1", at="2024-03-04T07:00:00Z"),
    )
    assert (only.is_member, only.gaps) == (False, 0)
