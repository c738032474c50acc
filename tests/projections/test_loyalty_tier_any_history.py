"""Whatever happened, the periods on tiers are what the tiers were."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import hypothesis
from hypothesis import settings

from projector.envelope import Envelope
from projector.facts.codec import decode
from projector.facts.events import TierFact, TierMove
from projector.projections import loyalty_tier
from projector.projections.loyalty_tier_history import Row
from tests.support.given import Delivery, folded
from tests.support.histories import KINDS, around, by_customer, histories

#: Much happens on few tiers.
_histories = histories(
    kinds=[kind for kind in KINDS if kind.startswith("customer.loyalty.tier.")] * 2
    + ["customer.deleted"]
)


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_stints_that_hold_at_an_instant_are_the_tiers_of_then(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        found = _rows("loyalty_tier_history", events)
        for instant in around(events):
            known = [each for each in events if each.occurred_at <= instant]
            tiers = [each for each in _rows("loyalty_tier", known) if each.tier_id is not None]
            assert [
                (each.campaign_id, each.tier_id) for each in found if _holds(each, instant)
            ] == [(each.campaign_id, each.tier_id) for each in tiers]


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_name_of_a_campaign_is_the_newest_that_an_event_shows(history: list[Delivery]) -> None:
    for events in by_customer(history):
        rows, failures = folded("loyalty_tier", events)
        refused = {events[each.position - 1].event_id for each in failures}
        newest = {}
        for each in events:
            fact = decode(each)
            campaign = fact.campaign if isinstance(fact, TierFact | TierMove) else None
            is_folded = each.event_id not in refused
            if is_folded and campaign is not None and campaign.name is not None:
                newest[campaign.id] = campaign.name
        for row in rows:
            assert row.campaign_name == newest.get(row.campaign_id)


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_the_last_stint_of_each_campaign_is_what_the_tier_says(history: list[Delivery]) -> None:
    for events in by_customer(history):
        found, refused = folded("loyalty_tier_history", events)
        tiers, also_refused = folded("loyalty_tier", events)
        assert [each[1:] for each in refused] == [each[1:] for each in also_refused]
        last = {each.campaign_id: each for each in found}
        assert [_of_period(each) for each in last.values()] == [_of_tier(each) for each in tiers]


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_stints_of_unknown_beginning_are_the_gaps_of_who_was_on_no_tier(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        gaps, before = [], 0
        for count, event in enumerate(events, 1):
            tiers = _rows("loyalty_tier", events[:count])
            now = sum(each.gaps for each in tiers)
            changed = [each for each in tiers if each.changed_by == event.event_id]
            if now > before and changed[0].tier_id is None:
                gaps.append((event.event_id, changed[0].previous_tier_id))
            before = now
        found = _rows("loyalty_tier_history", events)
        unknown = [(each.closed_by, each.tier_id) for each in found if each.opened_by is None]
        assert sorted(unknown) == sorted(gaps)


@settings(max_examples=200)
@hypothesis.given(history=_histories)
def test_stints_are_numbered_and_begin_and_end_with_the_events_that_they_name(
    history: list[Delivery],
) -> None:
    for events in by_customer(history):
        when = {each.event_id: each.occurred_at for each in events}
        numbers: dict[str, list[int]] = {}
        for each in _rows("loyalty_tier_history", events):
            numbers.setdefault(each.campaign_id, []).append(each.period)
            assert each.valid_from == (each.opened_by and when[each.opened_by])
            assert each.valid_to == (each.closed_by and when[each.closed_by])
        assert all(each == list(range(1, len(each) + 1)) for each in numbers.values())


def _rows(projection: str, events: Iterable[Envelope]) -> list[Any]:
    return folded(projection, events)[0]


def _holds(period: Row, instant: datetime) -> bool:
    if period.valid_from is None or period.valid_from > instant:
        return False
    return period.valid_to is None or period.valid_to > instant


def _of_period(period: Row) -> dict[str, Any]:
    """The present tier, according to the last period."""
    known = {"campaign_id": period.campaign_id, "campaign_name": period.campaign_name}
    if period.closed_by is not None:
        return {**known, "previous_tier_id": period.tier_id, "left_at": period.valid_to}
    names = ("tier_id", "tier_name", "joined_at", "previous_tier_id")
    return {**known, **{name: getattr(period, name) for name in names}}


def _of_tier(tier: loyalty_tier.Row) -> dict[str, Any]:
    """The same of the row of the present tier."""
    known = {"campaign_id": tier.campaign_id, "campaign_name": tier.campaign_name}
    if tier.tier_id is None:
        return {**known, "previous_tier_id": tier.previous_tier_id, "left_at": tier.left_at}
    names = ("tier_id", "tier_name", "joined_at", "previous_tier_id")
    return {**known, **{name: getattr(tier, name) for name in names}}
