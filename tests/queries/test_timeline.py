"""A customer's timeline: of a short stream folded whole, of a long one from snapshots."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as generated
from hypothesis import strategies as st

from projector.envelope import CustomerKey
from projector.errors import CustomerNotFound, PositionUnknown
from projector.facts.observations import OBSERVATIONS
from projector.projections import discover, loyalty_tier_history, segment_membership_history
from projector.projections.groups import GROUPS
from projector.queries import customers
from projector.queries.customers import NOW
from projector.queries.log_position import find_position
from projector.queries.story import timeline
from projector.queries.story.results import Timeline
from projector.queries.story.timeline import find_timeline
from projector.queries.why.steps import Effect
from projector.runner.runner import catch_up
from projector.store import log, table_rows
from projector.store.append import append
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.given import (
    RECEIVED_AT,
    Delivery,
    append_and_project,
    append_webhooks,
    created,
    entered,
    joined,
    left,
    prolonged,
    tier_left,
    upgraded,
)
from tests.support.histories import Arrival, arrivals, histories
from tests.support.snapshots import snapshots_every

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(600)

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories(size_max=20).flatmap(
    lambda history: st.tuples(st.just(history), arrivals(history))
)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))


def test_it_tells_what_each_event_did_and_what_is_lost(database: Database) -> None:
    append_and_project(
        database,
        created("cust_1", at=MONDAY, id="1"),
        joined("cust_1", "bronze", at=MONDAY, id="2"),
        tier_left("cust_1", "gold", at=TUESDAY, id="3"),
        upgraded("cust_1", "bronze", None, at=WEDNESDAY, id="4"),
        prolonged("cust_1", "bronze", at=THURSDAY, id="5"),
        left("cust_1", "seg_1", at=THURSDAY, id="6"),
    )
    append_webhooks(database, joined("cust_1", "bronze", at=MONDAY, id="2"))
    found = find_timeline(database, "cust_1", limit=10)
    assert [(each.event_id, each.effect, each.duplicates) for each in found.events] == [
        ("6", Effect.GAP, 0),
        ("5", Effect.APPLIED, 0),
        ("4", Effect.DEAD_LETTER, 0),
        ("3", Effect.GAP, 0),
        ("2", Effect.APPLIED, 1),
        ("1", Effect.NO_CHANGE, 0),
    ]
    assert (found.event_count, found.next, found.position) == (6, None, 6)
    stated = found.events[3].stated
    assert (stated.campaign_id, stated.tier_id, stated.tier_name) == ("camp_1", "gold", "Tier gold")
    assert found.events[0].lateness_seconds == (RECEIVED_AT - _instant(THURSDAY)).total_seconds()
    assert [
        (each.row_id, each.position, each.uncertain, each.certain_again_at) for each in found.losses
    ] == [("camp_1", 3, True, _instant(THURSDAY)), ("seg_1", 6, False, None)]
    assert [(each.position, each.projection) for each in found.dead_letters] == [
        (4, "loyalty_tier")
    ]
    [period] = found.segments
    assert (period.valid_from, period.valid_to) == (None, _instant(THURSDAY))
    # What was known at a position.
    then = find_timeline(database, "cust_1", at_position=3, limit=10)
    assert [each.event_id for each in then.events] == ["3", "2", "1"]
    assert (then.dead_letters, then.segments, then.event_count) == ((), (), 3)
    with pytest.raises(CustomerNotFound):
        find_timeline(database, "cust_1", at_position=0, limit=10)
    with pytest.raises(PositionUnknown):
        find_timeline(database, "cust_1", at_position=7, limit=10)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


@settings(max_examples=20, suppress_health_check=_SHARED)
@generated(arriving=_arriving, limit=st.integers(1, 6), data=st.data())
def test_a_long_story_is_told_as_a_short_one(
    database: Database,
    arriving: tuple[list[Delivery], list[Arrival]],
    limit: int,
    data: st.DataObject,
) -> None:
    """From snapshots as from the beginning, on each page, now and at a position."""
    with snapshots_every(3):
        for key, head in _arrived(database, arriving[1]):
            position = data.draw(st.none() | st.integers(1, head))
            try:
                whole = _pages(database, key, position, limit)
            except CustomerNotFound:
                continue
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(timeline, "WHOLE_MAX", 0)
                short = _pages(database, key, position, limit)
            assert [each.events for each in short] == [each.events for each in whole]
            assert short[0].segments == whole[0].segments
            assert short[0].tiers == whole[0].tiers
            assert [each.dead_letters for each in short] == [each.dead_letters for each in whole]
            proofs = {(each.kind, each.row_id, each.position) for each in whole[0].losses}
            found = {
                (each.kind, each.row_id, each.position) for page in short for each in page.losses
            }
            assert found == proofs
            _check_periods(database, key, whole[0], position)


def _arrived(database: Database, coming: Sequence[Arrival]) -> list[tuple[CustomerKey, int]]:
    wipe(database)
    keys = set()
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        catch_up(database, discover(), batch_events_max=3)
        keys |= {
            CustomerKey(each.project_id, each.customer_id)
            for each in arrival.envelopes
            if each.customer_id is not None
        }
    with database.reading() as connection:
        known = [key for key in keys if customers.state_at(connection, key, NOW) is not None]
        return [(key, log.head(connection)) for key in sorted(known)]


def _pages(
    database: Database, key: CustomerKey, position: int | None, limit: int
) -> list[Timeline]:
    pages: list[Timeline] = []
    while not pages or pages[-1].next is not None:
        page = find_timeline(
            database,
            key.customer_id,
            project_id=key.project_id,
            at_position=position,
            after=pages[-1].next if pages else None,
            limit=limit,
        )
        assert len(page.events) == limit or page.next is None
        pages.append(page)
    keys = [each.key for page in pages for each in page.events]
    assert keys == sorted(set(keys), reverse=True)
    if pages[0].losses_are_all:
        events = [each for page in pages for each in page.events]
        counted = [each for each in events if each.type not in OBSERVATIONS]
        assert len(counted) == pages[0].event_count
    return pages


def _check_periods(
    database: Database, key: CustomerKey, found: Timeline, position: int | None
) -> None:
    """The periods are the rows of the histories, and the losses are the gaps in the rows."""
    if position is not None:
        return
    with database.reading() as connection:
        for history, periods in (
            (segment_membership_history.PROJECTION, found.segments),
            (loyalty_tier_history.PROJECTION, found.tiers),
        ):
            rows = table_rows.load_one(connection, history, key)
            series = history.key[0]
            in_order = sorted(rows, key=lambda row: (getattr(row, series), row.period))
            assert [_values(each) for each in in_order] == [_values(each) for each in periods]
        gaps = sum(
            row.gaps
            for group in GROUPS.values()
            for row in table_rows.load_one(connection, group.now, key)
        )
    assert len(found.losses) == gaps


def _values(row: object) -> tuple[object, ...]:
    names = ("period", "valid_from", "valid_to", "opened_by", "closed_by")
    return tuple(getattr(row, each) for each in names)


def test_only_the_newest_periods_are_returned(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projector.queries.story.periods.PERIODS_MAX", 3)
    days = [_instant(MONDAY) + timedelta(days=n) for n in range(10)]
    append_and_project(
        database,
        *(
            (left if n % 2 else entered)("cust_1", "seg_1", at=day.isoformat(), id=f"{n}")
            for n, day in enumerate(days)
        ),
        entered("cust_1", "seg_2", at=MONDAY),
    )
    for whole_max in (timeline.WHOLE_MAX, 0):
        monkeypatch.setattr(timeline, "WHOLE_MAX", whole_max)
        for position in (None, 11):
            found = find_timeline(database, "cust_1", at_position=position, limit=1)
            numbers = [(each.segment_id, each.period) for each in found.segments]
            assert numbers == [("seg_1", 3), ("seg_1", 4), ("seg_1", 5), ("seg_2", 1)]


def test_the_position_that_the_log_had_at_an_instant(database: Database) -> None:
    assert find_position(database, RECEIVED_AT).at_position == 0
    for number, hour in enumerate((1, 1, 2, 5)):
        webhook = entered("cust_1", "seg_1", at=MONDAY, id=f"{number}")
        append_webhooks(database, webhook, received_at=RECEIVED_AT + timedelta(hours=hour))
    positions = {
        hour: find_position(database, RECEIVED_AT + timedelta(hours=hour)).at_position
        for hour in (0, 1, 2, 3, 4.9, 5, 99)
    }
    assert positions == {0: 0, 1: 2, 2: 3, 3: 3, 4.9: 3, 5: 4, 99: 4}
    found = find_position(database, RECEIVED_AT + timedelta(hours=3))
    assert found.received_at == RECEIVED_AT + timedelta(hours=2)
