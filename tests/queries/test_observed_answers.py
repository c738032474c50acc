"""What is answered after the source was asked: the state, why, the history, lists and sizes."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import frozen

from projector.envelope import CustomerKey
from projector.projections.groups import GroupKind
from projector.queries.customers import PointInTime, find_customer
from projector.queries.members import find_members, list_segments, list_tiers
from projector.queries.story.cases import find_case
from projector.queries.why.case import Doubt, Target
from projector.queries.why.explain import WhyCampaign, WhyNot, WhyQuery, WhySegment, why
from projector.queries.why.verdict import Verdict
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.given import (
    Delivery,
    Stored,
    absent,
    created,
    deleted,
    downgraded,
    entered,
    given,
    joined,
    left,
    segment,
    segments_seen,
    tier,
    tier_left,
    tier_seen,
)

_START = datetime(2026, 11, 20, 10, tzinfo=UTC)


def at(hours: float) -> str:
    return on(hours).isoformat()


def on(hours: float) -> datetime:
    return _START + timedelta(hours=hours)


def _in(hours: float) -> Delivery:
    return entered("cust_1", "seg_1", at=at(hours))


def _out(hours: float) -> Delivery:
    return left("cust_1", "seg_1", at=at(hours))


def _seen(hours: float, *segments: str) -> Delivery:
    return segments_seen("cust_1", *segments, at=at(hours), id=f"obs_{hours}")


@frozen(kw_only=True)
class Expected:
    """A case: what arrived, and what is known then."""

    arrived: tuple[Delivery, ...]
    is_member: bool
    #: The hours of the last entry and leave, and of the look that shows the membership or its end.
    entered: float | None
    left: float | None = None
    seen: float | None = None
    gaps: int
    is_open: int = 0
    effects: tuple[str, ...]
    periods: int = 1


_CASES = {
    "only seen in": Expected(
        arrived=(_seen(10, "seg_1"),),
        is_member=True,
        entered=None,
        seen=10,
        gaps=1,
        effects=("repaired",),
    ),
    "entered and seen in": Expected(
        arrived=(_in(3), _seen(10, "seg_1")),
        is_member=True,
        entered=3,
        gaps=0,
        effects=("applied", "confirmed"),
    ),
    "left and seen in": Expected(
        arrived=(_in(3), _out(5), _seen(10, "seg_1")),
        is_member=True,
        entered=None,
        seen=10,
        gaps=1,
        effects=("applied", "applied", "repaired"),
        periods=2,
    ),
    "left, seen in, and the entry comes late": Expected(
        arrived=(_in(3), _out(5), _seen(10, "seg_1"), _in(7)),
        is_member=True,
        entered=7,
        gaps=0,
        effects=("applied", "applied", "applied", "confirmed"),
        periods=2,
    ),
    "entered and seen out": Expected(
        arrived=(_in(3), _seen(10)),
        is_member=False,
        entered=3,
        seen=10,
        gaps=1,
        effects=("applied", "repaired"),
    ),
    "seen out, and the leave comes late": Expected(
        arrived=(_in(3), _seen(10), _out(6)),
        is_member=False,
        entered=3,
        left=6,
        gaps=0,
        effects=("applied", "applied", "confirmed"),
    ),
    "a leave of the window": Expected(
        arrived=(_in(3), _seen(10), _out(10.1)),
        is_member=False,
        entered=3,
        left=10.1,
        gaps=0,
        effects=("applied", "repaired", "applied"),
    ),
    "an entry of the window": Expected(
        arrived=(_seen(10, "seg_1"), _in(10.1)),
        is_member=True,
        entered=10.1,
        gaps=0,
        effects=("repaired", "applied"),
    ),
    "seen out and back": Expected(
        arrived=(_in(3), _seen(10), _in(500)),
        is_member=True,
        entered=500,
        gaps=1,
        effects=("applied", "repaired", "applied"),
        periods=2,
    ),
    "an old file that is read late": Expected(
        arrived=(_in(3), _out(12), _seen(5, "seg_1")),
        is_member=False,
        entered=3,
        left=12,
        gaps=0,
        effects=("applied", "confirmed", "applied"),
    ),
    "an old file that shows a lost entry": Expected(
        arrived=(_out(12), _seen(5, "seg_1")),
        is_member=False,
        entered=None,
        left=12,
        gaps=1,
        effects=("repaired", "applied"),
    ),
    "a loss since the look": Expected(
        arrived=(_in(3), _out(4), _seen(10), _out(12)),
        is_member=False,
        entered=None,
        left=12,
        gaps=1,
        is_open=1,
        effects=("applied", "applied", "confirmed", "gap"),
        periods=2,
    ),
    "unknown to the source, and deleted within the window": Expected(
        arrived=(
            _in(3),
            absent("cust_1", at=at(10), id="obs_10"),
            deleted("cust_1", at=at(10.1)),
        ),
        is_member=False,
        entered=3,
        left=10.1,
        gaps=0,
        effects=("applied", "repaired", "applied"),
    ),
    "unknown to the source": Expected(
        arrived=(_in(3), absent("cust_1", at=at(10), id="obs_10")),
        is_member=False,
        entered=3,
        seen=10,
        gaps=0,
        effects=("applied", "repaired"),
    ),
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_a_segment_after_a_look(shared_database: Database, case: Expected) -> None:
    wipe(shared_database)
    stored = given(*case.arrived).delivered().into(shared_database)
    answer = stored.then_answer()
    assert (answer.gaps, answer.gaps_open) == (case.gaps, case.is_open)
    explained = why(shared_database, WhyQuery(identifier="cust_1", segment_id="seg_1"))
    assert isinstance(explained, WhySegment)
    assert explained.current is not None
    row = explained.current
    assert [row] == stored.then_rows("segment_membership")
    assert tuple(each.effect for each in explained.steps) == case.effects
    assert [each.event_id for each in explained.steps if each.decides] == [row.changed_by]
    known = (row.is_member, row.entered_at, row.left_at, row.seen_at)
    hours = [each if each is None else on(each) for each in (case.entered, case.left, case.seen)]
    assert known == (case.is_member, *hours)
    members = [(each.segment_id, each.entered_at, each.seen_at) for each in answer.segments]
    assert members == ([("seg_1", row.entered_at, row.seen_at)] if row.is_member else [])
    *_, last = periods = stored.then_rows("segment_membership_history")
    assert len(periods) == case.periods
    assert (last.valid_to is None, last.entered_at, last.left_at) == known[:3]
    _check_lists(shared_database, is_member=row.is_member, since=row.entered_at)
    denied = why(shared_database, WhyQuery(identifier="cust_1", not_="seg_1"))
    assert isinstance(denied, WhyNot)
    assert (denied.gaps, denied.gaps_open) == (case.gaps, case.is_open)
    assert denied.verdict is (Verdict.HOLDS if row.is_member else Verdict.TAKEN)
    decided = denied.given_by if row.is_member else denied.taken_by
    if decided is not None and not (case.is_open or row.entered_at is None):
        assert decided.event_id == row.changed_by


def _check_lists(database: Database, *, is_member: bool, since: datetime | None) -> None:
    """Members page by page, and the number of members, agree with the row."""
    page = find_members(database, segment_id="seg_1", limit=1)
    found = [(each.customer_id, each.since) for each in page.members]
    assert found == ([("cust_1", since)] if is_member else [])
    assert [(each.name, each.members) for each in list_segments(database)] == [
        ("Segment seg_1", int(is_member))
    ]


_GOLD, _SILVER = "t_gold", "t_silver"
_TIER_CASES: dict[str, tuple[tuple[Delivery, ...], dict[str, Any], int, tuple[str, ...]]] = {
    "seen on another": (
        (joined("cust_1", _GOLD, at=at(3)), tier_seen("cust_1", _SILVER, at=at(10))),
        {"tier_id": _SILVER, "joined_at": None, "seen_at": on(10), "previous_tier_id": _GOLD},
        1,
        ("applied", "repaired"),
    ),
    "seen on another, and the move comes late": (
        (
            joined("cust_1", _GOLD, at=at(3)),
            tier_seen("cust_1", _SILVER, at=at(10)),
            downgraded("cust_1", _GOLD, _SILVER, at=at(8)),
        ),
        {"tier_id": _SILVER, "joined_at": on(8), "seen_at": None},
        0,
        ("applied", "applied", "confirmed"),
    ),
    "a move of the window": (
        (
            joined("cust_1", _GOLD, at=at(3)),
            tier_seen("cust_1", _SILVER, at=at(10)),
            downgraded("cust_1", _GOLD, _SILVER, at=at(10.1)),
        ),
        {"tier_id": _SILVER, "joined_at": on(10.1), "seen_at": None, "previous_tier_id": _GOLD},
        0,
        ("applied", "repaired", "applied"),
    ),
    "not certain, and seen": (
        (
            joined("cust_1", _GOLD, at=at(3)),
            tier_left("cust_1", _SILVER, at=at(4)),
            tier_seen("cust_1", _GOLD, at=at(10)),
        ),
        {"tier_id": _GOLD, "joined_at": on(3), "certain": True, "seen_at": None},
        1,
        ("applied", "gap", "repaired"),
    ),
    "seen on none": (
        (joined("cust_1", _GOLD, at=at(3)), tier_seen("cust_1", None, at=at(10))),
        {"tier_id": None, "left_at": None, "seen_at": on(10), "previous_tier_id": _GOLD},
        1,
        ("applied", "repaired"),
    ),
    "seen on none, and left within the window": (
        (
            joined("cust_1", _GOLD, at=at(3)),
            tier_seen("cust_1", None, at=at(10)),
            tier_left("cust_1", _GOLD, at=at(10.1)),
        ),
        {"tier_id": None, "left_at": on(10.1), "seen_at": None},
        0,
        ("applied", "repaired", "applied"),
    ),
    "unknown to the source, and deleted within the window": (
        (
            joined("cust_1", _GOLD, at=at(3)),
            absent("cust_1", at=at(10), id="obs_10"),
            deleted("cust_1", at=at(10.1)),
        ),
        {"tier_id": None, "left_at": on(10.1), "seen_at": None},
        0,
        ("applied", "repaired", "applied"),
    ),
}


@pytest.mark.parametrize("name", _TIER_CASES)
def test_a_tier_after_a_look(shared_database: Database, name: str) -> None:
    arrived, expected, gaps, effects = _TIER_CASES[name]
    wipe(shared_database)
    stored = given(*arrived).delivered().into(shared_database)
    explained = why(shared_database, WhyQuery(identifier="cust_1", campaign_id="camp_1"))
    assert isinstance(explained, WhyCampaign)
    [row] = stored.then_rows("loyalty_tier")
    assert {each: getattr(row, each) for each in expected} == expected
    assert explained.current == row
    assert tuple(each.effect for each in explained.steps) == effects
    answer = stored.then_answer()
    assert (answer.gaps, answer.gaps_open) == (gaps, 0)
    assert [(each.tier_id, each.joined_at, each.seen_at) for each in answer.tiers] == (
        [(row.tier_id, row.joined_at, row.seen_at)] if row.tier_id else []
    )
    last = stored.then_rows("loyalty_tier_history")[-1]
    assert (last.tier_id, last.valid_to is None) == (
        row.tier_id or row.previous_tier_id,
        row.tier_id is not None,
    )
    counted = {each.tier_id: each.members for each in list_tiers(shared_database)}
    assert {key for key, number in counted.items() if number} == {row.tier_id} - {None}


def test_a_customer_whom_only_the_source_knows_is_answered(shared_database: Database) -> None:
    """The row of the profile counts no event, and has none."""
    wipe(shared_database)
    seen = segments_seen("cust_1", segment("seg_1", name="VIP"), silent=["seg_1"], at=at(10))
    stored = given(seen).delivered().into(shared_database)
    answer = stored.then_answer()
    assert [(each.name, each.entered_at, each.seen_at) for each in answer.segments] == [
        ("VIP", None, on(10))
    ]
    assert (answer.gaps, answer.last_event_at, answer.checked_at) == (0, None, on(10))
    [row] = stored.then_rows("customer")
    assert (row.event_count, row.first_event_at, row.last_event_at) == (0, None, None)
    late = given(seen, created("cust_1", at=at(3))).delivered().into(shared_database)
    [row] = late.then_rows("customer")
    assert (row.event_count, row.first_event_at, row.last_event_at) == (1, on(3), on(3))
    assert row.checked_at == on(10)


def test_only_a_look_at_everything_is_a_check(shared_database: Database) -> None:
    wipe(shared_database)
    some = segments_seen("cust_1", "seg_1", scope=["seg_1", "seg_2"], at=at(10))
    stored = given(_in(1), some, tier_seen("cust_1", None, at=at(11))).delivered()
    assert stored.into(shared_database).then_answer().checked_at is None


def test_what_is_not_in_the_scope_is_not_looked_at(shared_database: Database) -> None:
    wipe(shared_database)
    happened = [entered("cust_1", each, at=at(1)) for each in ("seg_1", "seg_2", "seg_3")]
    some = segments_seen("cust_1", "seg_1", scope=["seg_1", "seg_2"], at=at(10))
    stored = given(*happened, some).delivered().into(shared_database)
    rows = stored.then_rows("segment_membership")
    assert [(each.is_member, each.observed_at) for each in rows] == [
        (True, on(10)),
        (False, on(10)),
        (True, None),
    ]
    explained = why(shared_database, WhyQuery(identifier="cust_1", segment_id="seg_3"))
    assert isinstance(explained, WhySegment)
    assert [each.type for each in explained.steps] == ["customer.segment.entered"]


def test_a_newer_name_is_taken_from_a_look(shared_database: Database) -> None:
    wipe(shared_database)
    renamed = segments_seen("cust_1", segment("seg_1", name="Gold"), at=at(10), id="obs_1")
    [row] = given(_in(1), renamed).delivered().into(shared_database).then_rows("segment_membership")
    assert (row.segment_name, row.changed_by, row.entered_at) == ("Gold", "obs_1", on(1))


def test_a_list_has_the_newest_name_also_if_only_a_look_told_it(shared_database: Database) -> None:
    """Two older names are of one day, so that the rows are looked through."""
    wipe(shared_database)
    names = {1: "Old", 2: "Older"}
    entries = [
        entered(f"cust_{hours}", segment("seg_1", name=name), at=at(hours))
        for hours, name in names.items()
    ]
    looks = [
        segments_seen("cust_3", segment("seg_1", name="New"), at=at(3), id="obs_1"),
        tier_seen("cust_3", tier("ltr_1", name="New"), at=at(3), id="obs_2"),
        # It ends a membership of unknown beginning, and begins none.
        segments_seen("cust_4", segment("seg_1", name="Oldest"), at=at(-50), id="obs_3"),
        segments_seen("cust_4", at=at(50), id="obs_4"),
    ]
    tiers = [
        joined(f"cust_{hours}", tier("ltr_1", name=name), at=at(hours))
        for hours, name in names.items()
    ]
    given(*entries, *tiers, *looks).delivered().into(shared_database)
    assert [(each.name, each.members) for each in list_segments(shared_database)] == [("New", 3)]
    assert [(each.name, each.members) for each in list_tiers(shared_database)] == [("New", 3)]


def test_a_day_is_not_answered_surely_where_only_a_look_shows_it(
    shared_database: Database,
) -> None:
    """Before the look, and within its window, the loss may be of before the day or of after it."""
    wipe(shared_database)
    stored = given(_in(1), _out(2), _seen(10, "seg_1")).delivered().into(shared_database)
    assert _doubt(stored, 1.5) is None
    assert _doubt(stored, 5) is Doubt.LOST
    assert _doubt(stored, 10.1) is Doubt.SEEN
    assert _doubt(stored, 11) is None
    assert _doubt(stored, None) is None


def test_a_look_that_agrees_confirms_a_day_before_it(shared_database: Database) -> None:
    """A loss after it does not touch the day."""
    wipe(shared_database)
    stored = given(_in(1), _seen(10, "seg_1"), _out(20), _out(30)).delivered().into(shared_database)
    assert _doubt(stored, 5) is None
    assert _doubt(stored, 25) is Doubt.LOST


def test_the_state_of_a_past_instant_has_the_looks_of_then(shared_database: Database) -> None:
    wipe(shared_database)
    given(_in(1), _seen(10)).delivered().into(shared_database)
    then = find_customer(shared_database, "cust_1", moment=PointInTime(as_of=on(9)))
    assert [(each.segment_id, each.entered_at) for each in then.segments] == [("seg_1", on(1))]
    assert then.checked_at is None
    by_file = find_customer(shared_database, "cust_1", moment=PointInTime(as_of=on(11)))
    assert (by_file.segments, by_file.checked_at, by_file.gaps_open) == ((), on(10), 0)


def _doubt(stored: Stored, hours: float | None) -> Doubt | None:
    found = find_case(
        stored.database,
        CustomerKey("proj_1", "cust_1"),
        Target(kind=GroupKind.SEGMENT, group_id="seg_1"),
        as_of=None if hours is None else on(hours),
        at_position=None,
    )
    assert found is not None
    return found.doubt
