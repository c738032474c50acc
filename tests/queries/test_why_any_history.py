"""Whatever happened: the steps lead to the rows, and a verdict is what the rows have been."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as generated
from hypothesis import strategies as st
from msgspec.structs import replace

from projector.envelope import CustomerKey, Envelope
from projector.errors import GroupNotFound, NothingConcerns
from projector.projections import discover, loyalty_tier, segment_membership
from projector.queries import customers
from projector.queries.why.explain import WhyCampaign, WhyQuery, WhySegment, why
from projector.queries.why.steps import Step
from projector.runner.runner import catch_up
from projector.store import table_rows
from projector.store.append import append
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.given import RECEIVED_AT, Delivery, folded
from tests.support.histories import Arrival, arrivals, histories

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(600)


#: The database outlives an example: each begins with wiping it.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))
_SEGMENT, _TIER = segment_membership.PROJECTION, loyalty_tier.PROJECTION
_ROWS = (("segment_id", _SEGMENT, ("seg_1", "seg_2")), ("campaign_id", _TIER, ("camp_1", "camp_2")))


@settings(max_examples=40, suppress_health_check=_SHARED)
@generated(arriving=_arriving)
def test_the_steps_lead_to_the_row_in_the_table(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    for customer, stream in _customers(database, arriving[1]):
        for asked, projection, row_ids in _ROWS:
            with database.reading() as connection:
                rows = table_rows.load_one(connection, projection, customer)
            by_id = {getattr(row, asked): row for row in rows}
            for row_id in row_ids:
                found = _ask(database, customer, **{asked: row_id})
                changes = [_rows(projection, row_id, stream[:n]) for n in range(len(stream) + 1)]
                if not isinstance(found, WhySegment | WhyCampaign):
                    assert set(changes) == {None}
                    continue
                assert found.current == by_id.get(row_id) == changes[-1]
                _check_steps(found.steps, found.current)
                _check_against_the_prefixes(found.steps, stream, changes)


def _customers(
    database: Database, coming: Sequence[Arrival]
) -> list[tuple[CustomerKey, list[Envelope]]]:
    """All of it arrives; who is known then, with the events in canonical order."""
    wipe(database)
    streams: dict[CustomerKey, dict[str, Envelope]] = {}
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for each in arrival.envelopes:
            if each.customer_id is not None:
                key = CustomerKey(each.project_id, each.customer_id)
                streams.setdefault(key, {}).setdefault(each.event_id, each)
    catch_up(database, discover())
    with database.reading() as connection:
        known = [
            key for key in streams if customers.state_at(connection, key, customers.NOW) is not None
        ]
    return [(key, sorted(streams[key].values(), key=lambda each: each.key)) for key in known]


def _ask(database: Database, customer: CustomerKey, **asked: Any) -> Any:
    question = WhyQuery(identifier=customer.customer_id, project_id=customer.project_id, **asked)
    try:
        return why(database, question)
    except (NothingConcerns, GroupNotFound):
        return None


def _rows(projection: Any, row_id: str, events: Sequence[Envelope]) -> Any:
    """The row that so many events give by the pure road."""
    [name] = projection.key
    rows, _ = folded(projection.name, events)
    return next((row for row in rows if getattr(row, name) == row_id), None)


def _check_steps(steps: Sequence[Step], current: Any) -> None:
    """In canonical order, one following from the other, and one that decides."""
    assert list(steps) == sorted(steps, key=lambda each: each.key)
    changing = [each for each in steps if each.effect in ("applied", "gap", "repaired")]
    assert [each for each in steps if each.decides] == changing[-1:]
    assert current == (steps[-1].after if steps else None)
    row = None
    for each in steps:
        assert each.before == row
        row = each.after
        assert (each.reason is not None) == (each.effect == "dead letter")
        if each.before == each.after:
            assert each.effect in ("no change", "dead letter")
        if each.effect in ("no change", "confirmed", "dead letter"):
            assert _without_looks(each.before) == _without_looks(each.after)
        assert each.type.startswith("projector.") or each.effect not in ("confirmed", "repaired")


def _without_looks(row: Any) -> Any:
    """The row without what only says when the source was asked."""
    return row and replace(row, observed_at=None, settled=0, seen_at=None, silent=False)


def _check_against_the_prefixes(
    steps: Sequence[Step], stream: Sequence[Envelope], changes: Sequence[Any]
) -> None:
    """Every event that changed the row is a step, with the row as it was before and after it."""
    by_id = {each.event_id: each for each in steps}
    for index, each in enumerate(stream):
        before, after = changes[index], changes[index + 1]
        step = by_id.get(each.event_id)
        assert before == after if step is None else (step.before, step.after) == (before, after)


@settings(max_examples=30, suppress_health_check=_SHARED)
@generated(arriving=_arriving)
def test_a_verdict_is_what_the_rows_have_been_one_after_the_other(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    for customer, stream in _customers(database, arriving[1]):
        prefixes = [stream[:n] for n in range(len(stream) + 1)]
        for what in ("seg_1", "seg_2", "ltr_1", "ltr_2", "ltr_3"):
            held = [_held(each, what) for each in prefixes]
            found = _ask(database, customer, not_=what)
            if found is None:
                assert not any(held)
                continue
            expected = "holds" if held[-1] else "taken" if any(held) else "never given"
            assert found.verdict == expected
            if any(each.type.startswith("projector.") for each in stream):
                # An event may be what an observation saw before it: see `test_observed_answers`.
                continue
            began = _began(stream, what)
            ended = [stream[n].event_id for n in range(len(stream)) if held[n] - held[n + 1]]
            given_by = found.given_by and found.given_by.event_id
            assert given_by in began if any(held) else given_by is None
            last = None if held[-1] or not ended else ended[-1]
            assert (found.taken_by and found.taken_by.event_id) == last
            if len(set().union(*held)) == 1:
                assert given_by == began[-1]


def _began(events: Sequence[Envelope], what: str) -> list[str]:
    """The ids of the events with which its periods begin, in canonical order."""
    histories = (folded(f"{each.name}_history", events)[0] for each in (_SEGMENT, _TIER))
    opened = {
        row.opened_by
        for rows in histories
        for row in rows
        if what in (getattr(row, "segment_id", None), getattr(row, "tier_id", None))
    }
    return [each.event_id for each in events if each.event_id in opened]


def _held(events: Sequence[Envelope], what: str) -> set[tuple[str, str]]:
    """The rows in which it holds."""
    memberships, tiers = (folded(each.name, events)[0] for each in (_SEGMENT, _TIER))
    return {
        *(
            ("segment", row.segment_id)
            for row in memberships
            if row.is_member and row.segment_id == what
        ),
        *(("tier", row.campaign_id) for row in tiers if row.tier_id == what),
    }
