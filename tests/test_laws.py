"""The laws hold for any history, in any order, with any duplication, however it is cut."""

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.envelope import RecordedEvent
from projector.projections import discover
from projector.projections.projection import Projection
from projector.runner.runner import catch_up, project_batch
from projector.store import log
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import dead_letters, positions, rows, stored, wipe
from tests.support.given import RECEIVED_AT, Delivery, envelope
from tests.support.histories import Arrival, Step, arrivals, contradicted, histories
from tests.support.oracle import FUSSY, Truth, truth

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(600)

#: The database outlives an example: each begins with wiping it.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_projections = st.sampled_from([list(discover()), FUSSY])
_arriving = histories().flatmap(lambda history: st.tuples(st.just(history), arrivals(history)))


@settings(max_examples=25, suppress_health_check=_SHARED)
@given(projections=_projections, arriving=_arriving)
def test_the_tables_follow_from_the_set_of_events_and_a_rebuild_gives_the_same_to_the_byte(
    database: Database,
    projections: list[Projection],
    arriving: tuple[list[Delivery], list[Arrival]],
) -> None:
    history, coming = arriving
    wipe(database)
    _live(database, projections, coming)
    assert _found(database) == truth(projections, map(envelope, history))
    distinct = {(it.project_id, it.event_id) for each in coming for it in each.envelopes}
    assert positions(database) == {each.name: len(distinct) for each in projections}
    live = stored(database), _found(database)
    for some in (*([each] for each in projections), projections):
        rebuild(database, some, ENGINES["in-process"])
        assert (stored(database), _found(database)) == live


@settings(max_examples=15, suppress_health_check=_SHARED)
@given(data=st.data(), history=histories())
def test_both_databases_hold_the_same(
    both: tuple[Database, Database], data: st.DataObject, history: list[Delivery]
) -> None:
    for database in both:
        wipe(database)
        _live(database, discover(), data.draw(arrivals(history)))
    sqlite, postgres = both
    assert _found(sqlite) == _found(postgres)


@settings(max_examples=20, suppress_health_check=_SHARED)
@given(projections=_projections, arriving=_arriving, size=st.integers(1, 3))
def test_at_every_checkpoint_the_tables_hold_what_was_in_the_log_up_to_there(
    database: Database,
    projections: list[Projection],
    arriving: tuple[list[Delivery], list[Arrival]],
    size: int,
) -> None:
    wipe(database)
    _append(database, arriving[1])
    events = _events(database)
    while position := project_batch(database, projections, batch_events_max=size):
        assert _found(database) == truth(projections, events[:position])


@settings(max_examples=20, suppress_health_check=_SHARED)
@given(history=histories(), data=st.data())
def test_the_first_of_contradicting_deliveries_stands(
    database: Database, history: list[Delivery], data: st.DataObject
) -> None:
    coming = data.draw(contradicted(history).flatmap(arrivals))
    wipe(database)
    receipts = _append(database, coming)
    events = _events(database)
    assert {(each.project_id, each.event_id): each.body for each in events} == _first(coming)
    assert [each.outcome for each in receipts].count(Outcome.APPENDED) == len(events)
    catch_up(database, discover(), batch_events_max=3)
    assert _found(database) == truth(discover(), events)
    live = stored(database)
    rebuild(database, discover(), ENGINES["in-process"])
    assert stored(database) == live


@settings(max_examples=20, suppress_health_check=_SHARED)
@given(arriving=_arriving)
def test_late_is_what_came_after_a_greater_key_of_its_customer(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]]
) -> None:
    wipe(database)
    _append(database, arriving[1])
    greatest: dict[int, tuple[object, bytes]] = {}
    for position, each in enumerate(_events(database), 1):
        assert each.position == position
        key = each.occurred_at, each.event_id.encode()
        if each.stream_id is None:
            assert not each.late
            continue
        assert each.late == (key < greatest.get(each.stream_id, key)), each
        greatest[each.stream_id] = max(key, greatest.get(each.stream_id, key))


def _live(
    database: Database, projections: Sequence[Projection], arrivals: Iterable[Arrival]
) -> None:
    """All of it arrives; in the end the projections are at the head."""
    for arrival in arrivals:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for step in arrival.steps:
            _take(database, [each for each in projections if each.name in step.names], step)
    catch_up(database, projections, batch_events_max=3)


def _take(database: Database, projections: Sequence[Projection], step: Step) -> None:
    if step.rebuild:
        rebuild(database, projections, ENGINES["in-process"])
        return
    for _ in range(step.batches):
        project_batch(database, projections, batch_events_max=step.batch_events_max)


def _append(database: Database, arrivals: Iterable[Arrival]) -> list[Receipt]:
    return [
        receipt
        for arrival in arrivals
        for receipt in append(database, arrival.envelopes, received_at=RECEIVED_AT)
    ]


def _first(arrivals: Iterable[Arrival]) -> dict[tuple[str, str], str]:
    """The body that came first for each identity."""
    first: dict[tuple[str, str], str] = {}
    for arrival in arrivals:
        for each in arrival.envelopes:
            first.setdefault((each.project_id, each.event_id), each.body)
    return first


def _events(database: Database) -> list[RecordedEvent]:
    with database.reading() as connection:
        return log.read(connection, after=0, until=log.head(connection), limit=1000)


def _found(database: Database) -> Truth:
    return Truth(rows(database), dead_letters(database))
