"""Whatever happened: the evidence agrees with the states, and is never sure of what is wrong."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, settings
from hypothesis import given as generated
from hypothesis import strategies as st

from projector.envelope import CustomerKey
from projector.projections import discover
from projector.projections.groups import GroupKind
from projector.queries import customers
from projector.queries.customers import NOW, PointInTime
from projector.queries.story.cases import find_case
from projector.queries.why.case import Case, Doubt, Target, build_case
from projector.runner.runner import catch_up
from projector.server.console.words.verdict_words import Answer
from projector.store.append import append
from projector.store.database import Database
from projector.text.instants import to_text
from tests.support import given
from tests.support.cases import recorded, verdict_of
from tests.support.databases import wipe
from tests.support.given import RECEIVED_AT, Delivery
from tests.support.histories import Arrival, arrivals, histories

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(600)

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))

_SEGMENTS = [Target(kind=GroupKind.SEGMENT, group_id=each) for each in ("seg_1", "seg_2")]
_TIERS = [
    Target(kind=GroupKind.TIER, campaign_id=campaign, group_id=each)
    for campaign in ("camp_1", "camp_2")
    for each in ("ltr_1", "ltr_2", "ltr_3")
]
_NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
_DAYS = (None, _NOON - timedelta(hours=2), _NOON, _NOON + timedelta(days=2))


@settings(max_examples=15, suppress_health_check=_SHARED)
@generated(arriving=_arriving)
def test_the_evidence_agrees_with_the_state_of_the_day(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    for key in _arrived(database, arriving[1]):
        for as_of in _DAYS:
            with database.reading_tables() as connection:
                state = customers.state_at(connection, key, PointInTime(as_of=as_of))
            for target in (*_SEGMENTS, *_TIERS):
                case = find_case(database, key, target, as_of=as_of, at_position=None)
                assert case is not None
                assert case.holds == _is_in(state, target)
                _check_doubt(case, state)


def _arrived(database: Database, coming: Sequence[Arrival]) -> list[CustomerKey]:
    wipe(database)
    keys = set()
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        keys |= {
            CustomerKey(each.project_id, each.customer_id)
            for each in arrival.envelopes
            if each.customer_id is not None
        }
    catch_up(database, discover())
    with database.reading() as connection:
        return [key for key in keys if customers.state_at(connection, key, NOW) is not None]


def _is_in(state: Any, target: Target) -> bool:
    if state is None:
        return False
    if target.kind is GroupKind.SEGMENT:
        return target.group_id in {each.segment_id for each in state.segments}
    return (target.campaign_id, target.group_id) in {
        (each.campaign_id, each.tier_id) for each in state.tiers
    }


def _check_doubt(case: Case, state: Any) -> None:
    """An answer is sure only if nothing in the state of the day stands against it."""
    then = [each for each in case.steps if each.is_before]
    if any(each.step.reason is not None for each in then):
        assert case.doubt is Doubt.UNREADABLE
    tiers = () if state is None or case.target.kind is GroupKind.SEGMENT else state.tiers
    for tier in tiers:
        if tier.campaign_id == case.target.campaign_id and not tier.certain:
            assert case.doubt in (Doubt.UNREADABLE, Doubt.UNCERTAIN)
        if tier.campaign_id == case.target.campaign_id and tier.overdue and case.doubt is None:
            # Only because the next event says that the tier still held.
            later = [each for each in case.steps if not each.is_before]
            assert any(tier.tier_id in _ids_in(each.fact) for each in later)


def _ids_in(fact: Any) -> set[str]:
    parts = ("loyalty_tier", "loyalty_tier_from")
    return {tier.id for part in parts if (tier := getattr(fact, part, None)) is not None}


#: What may happen to a customer next: a weight of kinds, of which each is only possible sometimes.
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["join", "up", "up", "down", "prolong", "leave", "enter", "exit"]),
        st.sampled_from(["ltr_1", "ltr_2", "ltr_3"]),
        st.booleans(),
    ),
    min_size=2,
    max_size=9,
)


@settings(max_examples=400, suppress_health_check=[HealthCheck.filter_too_much])
@generated(steps=_STEPS, which=st.integers(0, 20))
def test_what_is_proven_lost_makes_no_answer_sure_and_wrong(
    steps: list[tuple[str, str, bool]], which: int
) -> None:
    deliveries, truth = _world(steps)
    assume(len(deliveries) > 1)
    thinned = [each for n, each in enumerate(deliveries) if n != 1 + which % (len(deliveries) - 1)]
    for target in (*_SEGMENTS[:1], *_TIERS[:3]):
        if not _is_proven_lost(thinned, target):
            continue
        for number in range(len(truth)):
            as_of = _moment(number) + timedelta(hours=1)
            case = build_case(target, recorded(thinned), as_of=as_of, day=as_of.date())
            event(f"doubt: {case.doubt}")
            if case.doubt is None:
                assert case.holds == (target.group_id in truth[number])


def _is_proven_lost(deliveries: list[Delivery], target: Target) -> bool:
    case = build_case(target, recorded(deliveries), as_of=None, day=_NOON.date())
    return case.row is not None and case.row.gaps > 0


def _moment(number: int) -> datetime:
    return _NOON + timedelta(days=number)


def _world(steps: list[tuple[str, str, bool]]) -> tuple[list[Delivery], list[set[str]]]:
    """Let it happen to a customer, one thing a day; return the events, and the truth by day."""
    deliveries = [given.created("cust_1", at=to_text(_moment(0)), id="0")]
    truth: list[set[str]] = [set()]
    tier: str | None = None
    is_member = False
    for kind, other, accompanied in steps:
        at: dict[str, Any] = {"at": to_text(_moment(len(truth)))}
        number = len(truth)
        if kind == "join" and tier is None:
            deliveries.append(given.joined("cust_1", other, id=f"{number}", **at))
            tier = other
        elif kind in ("up", "down") and tier not in (None, other):
            move = given.upgraded if kind == "up" else given.downgraded
            deliveries.append(move("cust_1", tier, other, id=f"{number}", **at))
            if accompanied:
                # At the same instant the sender may say that the tier before was left.
                deliveries.append(given.tier_left("cust_1", tier, id=f"{number} left", **at))
            tier = other
        elif kind == "prolong" and tier is not None:
            deliveries.append(given.prolonged("cust_1", tier, id=f"{number}", **at))
        elif kind == "leave" and tier is not None:
            deliveries.append(given.tier_left("cust_1", tier, id=f"{number}", **at))
            tier = None
        elif kind in ("enter", "exit") and is_member == (kind == "exit"):
            change = given.left if is_member else given.entered
            deliveries.append(change("cust_1", "seg_1", id=f"{number}", **at))
            is_member = not is_member
        else:
            continue
        truth.append({*([tier] if tier else []), *(["seg_1"] if is_member else [])})
    return deliveries, truth


@settings(max_examples=100)
@generated(steps=_STEPS, day=st.integers(0, 9), target=st.sampled_from([*_SEGMENTS, *_TIERS]))
def test_the_words_say_what_the_evidence_says(
    steps: list[tuple[str, str, bool]], day: int, target: Target
) -> None:
    deliveries, _ = _world(steps)
    asked = (_moment(day)).date().isoformat()
    as_of = datetime.combine(_moment(day), datetime.max.time(), UTC)
    case = build_case(target, recorded(deliveries), as_of=as_of, day=as_of.date())
    expected = Answer.CANNOT_TELL if case.doubt else Answer.YES if case.holds else Answer.NO
    found = verdict_of(deliveries, target, asked)
    assert found.answer is expected
    assert str(found.first).startswith(f"{expected}. ")
