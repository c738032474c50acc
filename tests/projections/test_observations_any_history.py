"""Whatever happened, was lost and was read: what the folds say after the source was asked."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from projector.facts.events import CustomerDeleted
from projector.projections import own
from projector.projections.observing import IN_FLIGHT
from projector.projections.projection import Projection
from tests.support import readings as simulated
from tests.support.given import Delivery, envelope, folded
from tests.support.golden import golden_histories
from tests.support.histories import KINDS, by_customer, histories
from tests.support.readings import (
    Happened,
    Reading,
    entered,
    instant,
    joined,
    left,
    lost,
    moved,
    prolonged,
    readings,
    row_of,
    rows_of,
    tier_left,
    true_value,
)

#: Histories over a day's work, and histories crowded into few windows.
SPANS = pytest.mark.parametrize("minutes", [400, 60], ids=["spread", "crowded"])
SEGMENTS, TIERS = "segment_membership", "loyalty_tier"


def without_looks(row: Any) -> Any:
    """Return a row without what only says when the source was asked."""
    return row and replace(row, observed_at=None, settled=0, seen_at=None, silent=False)


def told(row: Any) -> Any:
    """Return the value that a row has: a membership, or the tier; certain or not."""
    if row is None:
        return None
    return row.is_member if hasattr(row, "is_member") else (row.tier_id, row.certain)


def _memberships(minutes: int) -> Any:
    return simulated.memberships(minutes).flatmap(
        lambda all_: st.tuples(st.just(all_), readings(all_, minutes, first=False), lost(all_))
    )


def _tiers(minutes: int, *, with_leaves: bool = False) -> Any:
    return simulated.tiers(minutes, with_leaves=with_leaves).flatmap(
        lambda all_: st.tuples(st.just(all_), readings(all_, minutes, first=None), lost(all_))
    )


def _arrived(all_: Sequence[Happened], reading: Reading, gone: set[str]) -> list[list[Happened]]:
    """Return what arrives: what is behind t0 in full; then also without what the window had."""
    before = [each for each in all_ if each.at <= reading.t0 and each.id not in gone]
    window = [each for each in all_ if reading.t0 < each.at <= reading.at]
    after = [each for each in all_ if each.at > reading.at]
    observation = reading.event()
    return [[*before, observation, *window, *after], [*before, observation, *after]]


@SPANS
def test_a_membership_is_right_after_a_look_whatever_was_lost_before(minutes: int) -> None:
    @settings(max_examples=150)
    @given(_memberships(minutes))
    def holds(case: tuple[list[Happened], Reading, set[str]]) -> None:
        all_, reading, gone = case
        for arrived in _arrived(all_, reading, gone):
            row = row_of(SEGMENTS, arrived)
            assert bool(told(row)) == true_value(all_, first=False)

    holds()


@SPANS
@pytest.mark.parametrize("with_leaves", [False, True], ids=["moves alone", "leaves beside moves"])
def test_a_tier_is_right_and_certain_after_a_look_whatever_was_lost_before(
    minutes: int, with_leaves: bool
) -> None:
    @settings(max_examples=150)
    @given(_tiers(minutes, with_leaves=with_leaves))
    def holds(case: tuple[list[Happened], Reading, set[str]]) -> None:
        all_, reading, gone = case
        for arrived in _arrived(all_, reading, gone):
            row = row_of(TIERS, arrived)
            assert (told(row) or (None, True)) == (true_value(all_), True)

    holds()


@SPANS
def test_if_nothing_is_lost_a_look_changes_nothing_wherever_in_its_window_it_was(
    minutes: int,
) -> None:
    @settings(max_examples=150)
    @given(_memberships(minutes), _tiers(minutes))
    def holds(segments: Any, tiers: Any) -> None:
        all_, reading, _ = segments
        expected, found = row_of(SEGMENTS, all_), row_of(SEGMENTS, [*all_, reading.event()])
        assert without_looks(found) == expected
        assert found is None or found.seen_at is None
        all_, reading, _ = tiers
        within = [each for each in all_ if reading.t0 < each.at <= reading.at]
        if len(within) > 1 and true_value(all_, reading.t0) is None:
            return  # Who joins and moves on within the window shows one gap too many.
        expected, found = row_of(TIERS, all_), row_of(TIERS, [*all_, reading.event()])
        assert without_looks(found) == expected
        assert found is None or found.seen_at is None

    holds()


@SPANS
def test_a_look_that_agrees_changes_no_answer_no_gap_and_no_changed_by(minutes: int) -> None:
    @settings(max_examples=150)
    @given(_memberships(minutes), _tiers(minutes))
    def holds(segments: Any, tiers: Any) -> None:
        for projection, (all_, reading, gone) in ((SEGMENTS, segments), (TIERS, tiers)):
            known = [each for each in all_ if each.id not in gone and each.at <= reading.t0]
            before = row_of(projection, known)
            seen = reading.value if projection == SEGMENTS else (reading.value, True)
            if told(before) == seen:
                after = row_of(projection, [*known, reading.event()])
                assert without_looks(after) == before
                assert after.settled == after.gaps

    holds()


@SPANS
def test_what_turns_up_after_a_repair_never_undoes_it(minutes: int) -> None:
    @settings(max_examples=80)
    @given(_memberships(minutes), _tiers(minutes), st.data())
    def holds(segments: Any, tiers: Any, data: st.DataObject) -> None:
        for projection, (all_, reading, gone) in ((SEGMENTS, segments), (TIERS, tiers)):
            arrived, _ = _arrived(all_, reading, gone)
            late = [each for each in all_ if each.at <= reading.t0 and each.id in gone]
            some = data.draw(st.lists(st.sampled_from(late), unique=True)) if late else []
            repaired, healed = row_of(projection, arrived), row_of(projection, [*arrived, *some])
            nothing = False if projection == SEGMENTS else (None, True)
            assert (told(healed) or nothing) == (told(repaired) or nothing)

    holds()


@settings(max_examples=200)
@given(history=histories(size_max=20))
def test_as_many_gaps_are_settled_as_are_known_at_the_most(history: list[Delivery]) -> None:
    for events in by_customer(history):
        for projection in (SEGMENTS, TIERS):
            for row in folded(projection, events)[0]:
                assert 0 <= row.settled <= row.gaps


_OBSERVED = histories(
    kinds=[
        each
        for each in KINDS
        if each.startswith(("customer.segment.", "customer.loyalty.", "projector."))
    ]
    + ["customer.deleted", "projector.segments.observed", "projector.tier.observed"]
)


@settings(max_examples=200)
@given(history=_OBSERVED)
def test_the_last_period_says_what_the_present_row_says(history: list[Delivery]) -> None:
    for events in by_customer(history):
        rows = {each.segment_id: each for each in folded(SEGMENTS, events)[0]}
        last = {each.segment_id: each for each in folded(f"{SEGMENTS}_history", events)[0]}
        assert rows.keys() == last.keys()
        for segment_id, row in rows.items():
            period = last[segment_id]
            assert row.is_member == (period.valid_to is None)
            names = ("segment_name", "entered_at", "left_at", "ended_by_deletion")
            assert [getattr(period, each) for each in names] == [
                getattr(row, each) for each in names
            ]
            shown = period.valid_from if row.is_member else period.valid_to
            exact = row.entered_at if row.is_member else row.left_at
            assert shown == (row.seen_at if exact is None else exact)
        tiers = {each.campaign_id: each for each in folded(TIERS, events)[0]}
        last = {each.campaign_id: each for each in folded(f"{TIERS}_history", events)[0]}
        assert tiers.keys() == last.keys()
        for campaign_id, row in tiers.items():
            period = last[campaign_id]
            assert (row.seen_at, row.campaign_name) == (period.seen_at, period.campaign_name)
            if row.tier_id is None:
                assert (row.previous_tier_id, row.left_at or row.seen_at) == (
                    period.tier_id,
                    period.valid_to if row.left_at or row.seen_at else None,
                )
            else:
                names = ("tier_id", "tier_name", "joined_at", "previous_tier_id")
                assert [getattr(period, each) for each in names] == [
                    getattr(row, each) for each in names
                ]
                assert period.valid_to is None


@settings(max_examples=200)
@given(memberships=simulated.memberships(60), data=st.data())
def test_a_silent_segment_never_counts_a_gap(
    memberships: list[Happened], data: st.DataObject
) -> None:
    """Nothing comes of it but what the source says, again and again."""
    looks = []
    for number in range(data.draw(st.integers(1, 4))):
        reading = data.draw(readings(memberships, 60, first=False))
        looks.append(reading.event(id=f"obs_{number}", silent=True))
        row = row_of(SEGMENTS, looks)
        assert row is None or (row.gaps, row.settled) == (0, 0)


def test_a_second_look_does_not_reopen_the_window() -> None:
    first, second = Reading(0, 0, True).event(), Reading(10, 10, True).event(id="obs_2")
    again = entered(20)
    row = row_of(SEGMENTS, [first, second, again])
    assert (row.entered_at, row.gaps, row.settled) == (None, 1, 1)
    assert (row.seen_at, row.observed_at) == (instant(0), instant(10))
    first, second = Reading(0, 0, "t1").event(), Reading(10, 10, "t1").event(id="obs_2")
    row = row_of(TIERS, [first, second, joined(20, "t1")])
    assert (row.joined_at, row.gaps, row.settled) == (None, 1, 1)


@pytest.mark.parametrize("projection", [SEGMENTS, TIERS])
def test_a_deletion_ends_only_what_was_seen_to_have_ended_just_before(projection: str) -> None:
    began, seen = (
        (entered(0, "e0"), False) if projection == SEGMENTS else (joined(0, "t1", "e0"), None)
    )
    first, second = Reading(10, 10, seen).event(), Reading(30, 30, seen).event(id="obs_2")
    in_time, too_late = (Happened(at, "e1", CustomerDeleted(), seen) for at in (20, 40))
    assert row_of(projection, [began, first, in_time]).left_at == instant(20)
    assert row_of(projection, [began, first, second, too_late]).left_at is None


def test_the_window_is_as_long_as_that_of_an_observation() -> None:
    minutes = IN_FLIGHT.total_seconds() / 60
    seen = Reading(0, 0, True).event()
    assert row_of(SEGMENTS, [seen, entered(minutes)]).gaps == 0
    assert row_of(SEGMENTS, [seen, entered(minutes + 0.01)]).gaps == 1
    away = [entered(-9, "e0"), Reading(0, 0, False).event()]
    assert row_of(SEGMENTS, [*away, left(minutes)]).gaps == 0
    assert row_of(SEGMENTS, [*away, left(minutes + 0.01)]).gaps == 2


def test_a_look_makes_a_tier_certain() -> None:
    doubtful = [joined(0, "t1", "e0"), tier_left(1, "t2", "e1")]
    assert told(row_of(TIERS, doubtful)) == ("t1", False)
    seen = row_of(TIERS, [*doubtful, Reading(9, 9, "t1").event()])
    assert (told(seen), seen.gaps, seen.settled) == (("t1", True), 1, 1)


def test_a_prolongation_in_the_window_shows_that_the_tier_was_still_the_old_one() -> None:
    happened = [joined(0, "t1", "e0"), prolonged(32, "t1", "e1"), moved(35, "t1", "t2", "e2")]
    for known in (happened[:2], happened):
        row = row_of(TIERS, [*known, Reading(36, 30, "t2").event()])
        assert (row.tier_id, row.gaps) == (known[-1].value, 0)
    [_, *rest] = rows_of(f"{TIERS}_history", [*happened, Reading(36, 30, "t2").event()])
    assert [(each.tier_id, each.valid_from) for each in rest] == [
        ("t1", instant(30)),
        ("t2", instant(35)),
    ]


#: Of each projection the number of columns that it had before the source was ever asked, and a hash
#: of what the fold of then said in them.
_GOLDEN = {
    "customer": (12, "0d9d5f2153bd6dc9"),
    "loyalty_tier": (13, "5201c4903f15bedf"),
    "loyalty_tier_history": (11, "50ac8aaf78090c44"),
    "segment_membership": (8, "65ab55baf378d19e"),
    "segment_membership_history": (8, "65d9c46487c45920"),
}


@pytest.mark.parametrize("projection", own(), ids=lambda each: each.name)
def test_without_observations_it_is_the_fold_of_before(projection: Projection) -> None:
    count, expected = _GOLDEN[projection.name]
    found = hashlib.sha256()
    for history in golden_histories():
        rows, _ = folded(projection.name, [envelope(each) for each in history])
        found.update(repr([list(astuple(row)[:count]) for row in rows]).encode())
        for row in rows:
            new = dict(zip(projection.fields[count:], astuple(row)[count:], strict=True))
            instants = {new.pop(name, None) for name in ("entered_at", "left_at")}
            assert not any(new.values())
            assert instants <= {None, *astuple(row)[:count]}
    assert found.hexdigest()[:16] == expected
