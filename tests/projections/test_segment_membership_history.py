"""From when to when who was in which segment, and that it is what the memberships were."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import hypothesis
import pytest
from hypothesis import settings
from msgspec.structs import replace

from projector.envelope import Envelope
from projector.facts.codec import decode
from projector.facts.events import SegmentEntered, SegmentLeft
from projector.projections import segment_membership
from projector.projections.projection import fold
from projector.projections.segment_membership_history import PROJECTION, Row
from tests.support.given import (
    Delivery,
    deleted,
    entered,
    envelope,
    folded,
    given,
    left,
    segment,
    updated,
)
from tests.support.histories import around, by_customer, histories

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))

#: Much happens to few segments.
_histories = histories(
    kinds=["customer.segment.entered", "customer.segment.left", "customer.deleted"]
)


def on(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def row(period: int = 1, **values: Any) -> Row:
    """A period in segment seg_1; what is not said is not known."""
    plain: dict[str, Any] = {
        "segment_id": "seg_1",
        "period": period,
        "segment_name": "Segment seg_1",
        "valid_from": None,
        "valid_to": None,
        "opened_by": None,
        "closed_by": None,
        "ended_by_deletion": False,
    }
    exact = {"entered_at": values.get("valid_from"), "left_at": values.get("valid_to")}
    return Row(**{**plain, **exact, **values})


def periods(*events: Delivery) -> list[Row]:
    return given(*events).then_rows("segment_membership_history")


def test_a_customer_without_events_has_no_periods() -> None:
    assert periods() == []


def test_entering_a_segment_begins_an_open_period() -> None:
    assert periods(entered("cust_1", "seg_1", at=MONDAY, id="e1")) == [
        row(valid_from=on(MONDAY), opened_by="e1")
    ]


def test_a_member_who_is_announced_again_begins_no_other_period() -> None:
    first = entered("cust_1", "seg_1", at=MONDAY, id="e1")
    again = entered("cust_1", segment("seg_1", name="Renamed"), at=TUESDAY, id="e2")
    assert periods(first, again) == [
        row(segment_name="Renamed", valid_from=on(MONDAY), opened_by="e1")
    ]


def test_leaving_after_the_deletion_adds_no_period() -> None:
    assert periods(
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        deleted("cust_1", at=TUESDAY, id="e2"),
        left("cust_1", segment("seg_1", name="New"), at=WEDNESDAY, id="e3"),
    ) == [
        row(
            segment_name="New",
            valid_from=on(MONDAY),
            valid_to=on(TUESDAY),
            opened_by="e1",
            closed_by="e2",
            ended_by_deletion=True,
        )
    ]


def test_leaving_a_segment_ends_the_period() -> None:
    assert periods(
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
    ) == [row(valid_from=on(MONDAY), valid_to=on(TUESDAY), opened_by="e1", closed_by="e2")]


def test_returning_to_a_segment_begins_the_next_period_and_keeps_the_last() -> None:
    assert periods(
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
        entered("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    ) == [
        row(1, valid_from=on(MONDAY), valid_to=on(TUESDAY), opened_by="e1", closed_by="e2"),
        row(2, valid_from=on(WEDNESDAY), opened_by="e3"),
    ]


def test_leaving_without_an_entry_ends_a_stint_of_unknown_beginning() -> None:
    assert periods(left("cust_1", "seg_1", at=MONDAY, id="e1")) == [
        row(valid_to=on(MONDAY), closed_by="e1")
    ]


def test_every_lost_entry_is_a_stint_of_its_own() -> None:
    days = {"e1": MONDAY, "e2": TUESDAY, "e3": WEDNESDAY}
    assert periods(*(left("cust_1", "seg_1", at=day, id=id) for id, day in days.items())) == [
        row(period, valid_to=on(day), closed_by=id)
        for period, (id, day) in enumerate(days.items(), 1)
    ]


def test_leaving_twice_is_a_second_stint_of_unknown_beginning() -> None:
    assert periods(
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
        left("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    ) == [
        row(1, valid_from=on(MONDAY), valid_to=on(TUESDAY), opened_by="e1", closed_by="e2"),
        row(2, valid_to=on(WEDNESDAY), closed_by="e3"),
    ]


def test_entering_a_segment_after_a_gap_begins_a_period() -> None:
    assert periods(
        left("cust_1", "seg_1", at=MONDAY, id="e1"),
        entered("cust_1", "seg_1", at=TUESDAY, id="e2"),
    ) == [
        row(1, valid_to=on(MONDAY), closed_by="e1"),
        row(2, valid_from=on(TUESDAY), opened_by="e2"),
    ]


def test_a_deletion_ends_every_stint_that_lasts_and_no_other() -> None:
    assert periods(
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        entered("cust_1", "seg_2", at=MONDAY, id="e2"),
        left("cust_1", "seg_2", at=TUESDAY, id="e3"),
        deleted("cust_1", at=THURSDAY, id="e4"),
    ) == [
        row(
            valid_from=on(MONDAY),
            valid_to=on(THURSDAY),
            opened_by="e1",
            closed_by="e4",
            ended_by_deletion=True,
        ),
        row(
            segment_id="seg_2",
            segment_name="Segment seg_2",
            valid_from=on(MONDAY),
            valid_to=on(TUESDAY),
            opened_by="e2",
            closed_by="e3",
        ),
    ]


def test_a_deletion_of_who_is_in_no_segment_makes_no_period() -> None:
    assert periods(deleted("cust_1", at=MONDAY)) == []


def test_segments_count_their_stints_apart() -> None:
    found = periods(
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        left("cust_1", "seg_2", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
    )
    assert [(each.segment_id, each.period) for each in found] == [
        ("seg_1", 1),
        ("seg_1", 2),
        ("seg_2", 1),
    ]


def test_the_open_period_has_the_newest_segment_name_and_earlier_ones_keep_theirs() -> None:
    found = periods(
        entered("cust_1", segment("seg_1", name="Newcomers"), at=MONDAY),
        left("cust_1", segment("seg_1", name="New customers"), at=TUESDAY),
        entered("cust_1", segment("seg_1", name="New"), at=WEDNESDAY),
    )
    assert [each.segment_name for each in found] == ["New customers", "New"]


@pytest.mark.parametrize("name", [{"name": None}, {}], ids=["null", "absent"])
def test_an_event_without_a_segment_name_keeps_the_known_one(name: Any) -> None:
    found = periods(
        entered("cust_1", segment("seg_1", name="Newcomers"), at=MONDAY),
        left("cust_1", {"id": "seg_1", **name}, at=TUESDAY),
        left("cust_1", {"id": "seg_1", **name}, at=WEDNESDAY),
        entered("cust_1", {"id": "seg_1", **name}, at=THURSDAY),
    )
    assert [each.segment_name for each in found] == ["Newcomers"] * 3


def test_other_facts_change_no_period() -> None:
    history = (entered("cust_1", "seg_1", at=MONDAY, id="e1"), updated("cust_1", at=TUESDAY))
    assert periods(*history) == periods(history[0])


def test_a_stint_within_one_instant_is_kept_although_it_never_held() -> None:
    [only] = periods(
        entered("cust_1", "seg_1", at=MONDAY, id="a"), left("cust_1", "seg_1", at=MONDAY, id="b")
    )
    assert (only.valid_from, only.valid_to) == (on(MONDAY), on(MONDAY))


def test_the_order_of_arrival_does_not_matter() -> None:
    happened = (
        entered("cust_1", "seg_1", at=MONDAY, id="e1"),
        left("cust_1", "seg_1", at=TUESDAY, id="e2"),
        entered("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    )
    for webhooks in permutations(happened):
        arrived = given(*webhooks).delivered(times=2)
        assert arrived.then_rows("segment_membership_history") == periods(*happened)


def test_a_stint_more_copies_none_of_those_before() -> None:
    """There may be 100,000 of them."""
    before = PROJECTION.from_rows(periods(left("cust_1", "seg_1", at=MONDAY)))
    event = envelope(entered("cust_1", "seg_1", at=TUESDAY))
    fact = decode(event)
    assert fact is not None
    [after], _ = fold([PROJECTION], [before], [(event.key, fact, 1)])
    assert after["seg_1"].last.period == 2
    assert after["seg_1"].earlier is before["seg_1"]


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_stints_that_hold_at_an_instant_are_the_memberships_of_then(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        found = _rows("segment_membership_history", events)
        for instant in around(events):
            known = [each for each in events if each.occurred_at <= instant]
            members = [each for each in _rows("segment_membership", known) if each.is_member]
            assert [
                (each.segment_id, each.valid_from) for each in found if _holds(each, instant)
            ] == [(each.segment_id, each.entered_at) for each in members]


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_name_of_a_segment_is_the_newest_that_an_event_shows(history: list[Delivery]) -> None:
    for events in by_customer(history):
        newest = {}
        for each in events:
            fact = decode(each)
            if isinstance(fact, SegmentEntered | SegmentLeft) and fact.segment.name is not None:
                newest[fact.segment.id] = fact.segment.name
        for row in _rows("segment_membership", events):
            assert row.segment_name == newest.get(row.segment_id)


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_last_stint_of_each_segment_is_what_the_membership_says(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        found = _rows("segment_membership_history", events)
        gaps = Counter(each.segment_id for each in found if each.opened_by is None)
        last = {each.segment_id: each for each in found}
        rows = [replace(each, changed_by="") for each in _rows("segment_membership", events)]
        assert rows == [
            segment_membership.Row(
                segment_id=segment_id,
                segment_name=each.segment_name,
                is_member=each.closed_by is None,
                entered_at=each.valid_from,
                left_at=each.valid_to,
                ended_by_deletion=each.ended_by_deletion,
                gaps=gaps[segment_id],
                changed_by="",
            )
            for segment_id, each in last.items()
        ]


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_stints_are_numbered_and_begin_and_end_with_the_events_that_they_name(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        found = _rows("segment_membership_history", events)
        when = {each.event_id: each.occurred_at for each in events}
        numbers: dict[str, list[int]] = {}
        for each in found:
            numbers.setdefault(each.segment_id, []).append(each.period)
            assert each.valid_from == (each.opened_by and when[each.opened_by])
            assert each.valid_to == (each.closed_by and when[each.closed_by])
        assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())


def _rows(projection: str, events: Iterable[Envelope]) -> list[Any]:
    return folded(projection, events)[0]


def _holds(period: Row, instant: datetime) -> bool:
    if period.valid_from is None or period.valid_from > instant:
        return False
    return period.valid_to is None or period.valid_to > instant
