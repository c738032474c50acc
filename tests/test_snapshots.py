"""Snapshots of long streams save time and change nothing: tables and answers are those without."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as generated
from hypothesis import strategies as st
from sqlalchemy import update

from projector import Projector
from projector.envelope import Envelope
from projector.errors import CustomerNotFound, GroupNotFound, NothingConcerns
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover
from projector.projections.projection import Projection
from projector.queries.why import explain
from projector.runner.runner import catch_up, project_batch
from projector.store.append import append
from projector.store.database import Database
from projector.store.tables import snapshot
from replay import rebuild, rebuild_customer, verify
from replay.engines import ENGINES, Engine
from tests.support import given, snapshots
from tests.support.databases import dead_letters, rows, wipe
from tests.support.given import RECEIVED_AT, Delivery, envelope
from tests.support.histories import Arrival, Step, around, arrivals, histories
from tests.support.logs import by_steps, cut_small
from tests.support.oracle import FUSSY, Truth, truth

# Hypothesis makes a failing example small for up to five minutes before it shows it.
pytestmark = pytest.mark.timeout(900)

#: The database outlives an example: each begins with wiping it.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories(size_max=20).flatmap(
    lambda history: st.tuples(st.just(history), arrivals(history))
)
_CUSTOMERS = [("proj_1", "cust_1"), ("proj_1", "cust_2"), ("proj_2", "cust_1")]
_QUESTIONS: list[dict[str, Any]] = [
    {"segment_id": "seg_1"},
    {"segment_id": "seg_2"},
    {"campaign_id": "camp_1"},
    {"campaign_id": "camp_2"},
    {"not_": "seg_1"},
    {"not_": "ltr_1"},
]


@settings(max_examples=15, suppress_health_check=_SHARED)
@generated(projections=st.sampled_from([list(discover()), FUSSY]), arriving=_arriving)
def test_the_tables_are_those_of_a_fold_from_the_beginning(
    database: Database,
    projections: list[Projection],
    arriving: tuple[list[Delivery], list[Arrival]],
) -> None:
    """Rows and dead letters follow from the set of events, and each snapshot from its prefix."""
    history, coming = arriving
    wipe(database)
    with snapshots.snapshots_every(3):
        for _ in _lives(database, projections, coming):
            snapshots.check(database, projections)
        catch_up(database, projections, batch_events_max=3)
        snapshots.check(database, projections)
    assert Truth(rows(database), dead_letters(database)) == truth(
        projections, map(envelope, history)
    )
    assert verify(database, projections).is_right


@settings(max_examples=15, suppress_health_check=_SHARED)
@generated(arriving=_arriving, data=st.data())
def test_the_answers_are_those_of_a_fold_from_the_beginning(
    database: Database, arriving: tuple[list[Delivery], list[Arrival]], data: st.DataObject
) -> None:
    """States as of an instant and at a position, and explanations, also while tables lag."""
    history, coming = arriving
    wipe(database)
    with snapshots.snapshots_every(2):
        for _ in _lives(database, discover(), coming):
            pass
        moments = _moments(data, database, [envelope(each) for each in history])
        found = _answers(database, moments)
        snapshots.forget_all(database)
        assert found == _answers(database, moments)


def _lives(
    database: Database, projections: Sequence[Projection], coming: Sequence[Arrival]
) -> Iterator[None]:
    """Let all of it arrive; yield after each step."""
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for step in arrival.steps:
            _take(database, [each for each in projections if each.name in step.names], step)
            yield


def _take(database: Database, projections: Sequence[Projection], step: Step) -> None:
    if step.rebuild:
        rebuild(database, projections, ENGINES["in-process"])
        return
    for _ in range(step.batches):
        project_batch(database, projections, batch_events_max=step.batch_events_max)


def _moments(
    data: st.DataObject, database: Database, events: Sequence[Envelope]
) -> list[dict[str, Any]]:
    """Draw moments of both kinds of time; the first one is now."""
    head = Projector(database).status().head
    instants = data.draw(st.lists(st.sampled_from(around(events)), min_size=2, max_size=4))
    ends = data.draw(st.lists(st.integers(0, head), min_size=2, max_size=4))
    return [
        {},
        *({"as_of": each} for each in instants),
        *({"at_position": each} for each in ends),
        {"as_of": instants[0], "at_position": ends[0]},
    ]


def _answers(database: Database, moments: Sequence[dict[str, Any]]) -> list[Any]:
    projector = Projector(database)
    found: list[Any] = []
    for moment in moments:
        for project_id, customer_id in _CUSTOMERS:
            about = {"project_id": project_id, **moment}
            try:
                found.append(projector.customer(customer_id, **about))
            except CustomerNotFound:
                found.append(None)
            found += [_why(projector, customer_id, **about, **each) for each in _QUESTIONS]
    return found


def _why(projector: Projector, customer_id: str, **asked: Any) -> list[Any]:
    """Collect all pages of an explanation, two steps each."""
    pages: list[Any] = []
    after = None
    while True:
        try:
            page = projector.why(customer_id, **asked, after=after, limit=2)
        except (CustomerNotFound, NothingConcerns, GroupNotFound) as error:
            return [type(error)]
        pages.append(page)
        after = getattr(page, "next", None)
        if after is None:
            return pages


# One long stream: about one event in seven comes late, some are unreadable, and the customer is
# deleted twice.
_EVENTS = 240
_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)


def _long_history(seed: int) -> list[Delivery]:
    random = Random(seed)
    delays = [random.random() * 60 if random.random() < 0.15 else 0.0 for _ in range(_EVENTS)]
    order = sorted(range(_EVENTS), key=lambda at: at + delays[at])
    return [_event(at, Random(at)) for at in order]


def _event(at: int, random: Random) -> Delivery:
    more: dict[str, Any] = {"at": (_BEGIN + timedelta(minutes=at)).isoformat(), "id": f"e{at}"}
    if at % 80 == 40:
        return given.deleted("cust_1", **more)
    if at % 30 == 7:
        return given.joined("cust_1", "ltr_1", None, **more)
    segment, tier = f"seg_{random.randint(1, 3)}", f"ltr_{random.randint(1, 3)}"
    kinds = [
        given.entered("cust_1", segment, **more),
        given.left("cust_1", segment, **more),
        given.joined("cust_1", tier, **more),
        given.tier_left("cust_1", tier, **more),
        given.updated("cust_1", name=f"Name {at}", **more),
    ]
    return random.choice(kinds)


def _project(database: Database, history: Sequence[Delivery], batch: int) -> None:
    for begin in range(0, len(history), batch):
        given.append_and_project(database, *history[begin : begin + batch])


@pytest.mark.parametrize("batch", [1, 10])
def test_a_long_stream_with_late_events_is_that_of_a_rebuild(
    database: Database, batch: int
) -> None:
    """Batch after batch, rows, dead letters and snapshots stay those of the whole log."""
    history = _long_history(batch)
    with snapshots.snapshots_every(7):
        _project(database, history, batch)
        assert snapshots.check(database, discover()) > 100
    assert Truth(rows(database), dead_letters(database)) == truth(
        discover(), map(envelope, history)
    )
    assert verify(database, discover()).is_right


@pytest.mark.parametrize("how", [ENGINES["in-process"], by_steps], ids=["in process", "by steps"])
def test_a_rebuild_takes_the_snapshots_again(database: Database, how: Engine) -> None:
    """A rebuilt stream has its snapshots where it had them before, of its new rows."""
    with snapshots.snapshots_every(7), cut_small(50):
        _project(database, _long_history(1), 10)
        before = _keys(database)
        rebuild(database, discover(), how)
        # At a late event that a projection does not read, only a rebuild takes one.
        assert before <= _keys(database)
        snapshots.check(database, discover())


def _keys(database: Database) -> set[Any]:
    with database.reading() as connection:
        key = snapshot.c.projection, snapshot.c.occurred_at, snapshot.c.event_id
        return {tuple(row) for row in connection.execute(snapshot.select().with_only_columns(*key))}


def test_a_retry_and_a_repair_take_snapshots_of_what_they_fold(database: Database) -> None:
    """What a refold outside of a batch leaves are snapshots of its own fold."""
    with snapshots.snapshots_every(7):
        _project(database, _long_history(2), 40)
        retry_dead_letters(database, discover())
        snapshots.check(database, discover())
        rebuild_customer(database, discover(), "cust_1")
        assert snapshots.check(database, discover()) > 100
        given.append_and_project(database, given.left("cust_1", "seg_1", at="2024-03-01T01:00:30Z"))
        assert verify(database, discover()).is_right


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"version": -1, "state": "[]"}, id="another version"),
        pytest.param({"fingerprint": "other", "state": "[]"}, id="another layout"),
        pytest.param({"state": '[{"name": 7}]'}, id="unreadable"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_left_alone(
    database: Database, values: dict[str, Any]
) -> None:
    """Snapshots of another version of the fold, and unreadable ones, are as good as none."""
    history = _long_history(3)
    with snapshots.snapshots_every(7):
        _project(database, history, 40)
        with database.writing() as connection:
            connection.execute(update(snapshot).values(values))
        late = given.left("cust_1", "seg_1", at="2024-03-01T03:59:30Z")
        then = _BEGIN + timedelta(minutes=200)
        found = Projector(database).customer("cust_1", as_of=then)
        given.append_and_project(database, late)
        assert verify(database, discover()).is_right
        snapshots.forget_all(database)
        assert found.segments == Projector(database).customer("cust_1", as_of=then).segments


def test_a_page_of_steps_ends_after_many_events_about_other_things(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages may be empty, but together they have every step once, and each says the same row."""
    history = _long_history(4)
    with snapshots.snapshots_every(7):
        _project(database, history, 60)
    projector = Projector(database)
    whole: Any = projector.why("cust_1", segment_id="seg_1", limit=1000)
    assert whole.next is None
    monkeypatch.setattr(explain, "EVENTS_MAX", 3)
    pages: list[Any] = []
    after = None
    while not pages or after is not None:
        page: Any = projector.why("cust_1", segment_id="seg_1", after=after, limit=1000)
        pages.append(page)
        after = page.next
    assert min(len(page.steps) for page in pages) == 0
    assert tuple(step for page in pages for step in page.steps) == whole.steps
    assert {(page.complete, repr(page.current)) for page in pages} == {
        (whole.complete, repr(whole.current))
    }


def test_a_row_that_nothing_concerns_is_unknown_on_a_short_page_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first page need not see all events to say that none concerns the row."""
    given.append_and_project(
        database,
        *(given.updated("cust_1", at=f"2024-03-01T10:00:{n:02}Z") for n in range(9)),
        given.entered("cust_1", "seg_1", at="2024-03-02T10:00:00Z"),
    )
    monkeypatch.setattr(explain, "EVENTS_MAX", 3)
    with pytest.raises(NothingConcerns):
        Projector(database).why("cust_1", segment_id="seg_2")


def test_an_answer_counts_late_events_that_no_projection_has_folded_yet(
    database: Database,
) -> None:
    """A snapshot behind such an event lacks it, and is not used until the event is folded."""
    with snapshots.snapshots_every(1):
        _project(database, _long_history(5), 60)
        late = given.entered("cust_1", "seg_late", at=(_BEGIN + timedelta(minutes=1)).isoformat())
        given.append_webhooks(database, late)
        then = _BEGIN + timedelta(minutes=30)
        found = Projector(database).customer("cust_1", as_of=then)
        assert "seg_late" in {each.segment_id for each in found.segments}
        steps = Projector(database).why("cust_1", segment_id="seg_late", as_of=then).steps  # type: ignore[union-attr]
        assert [each.effect for each in steps] == ["applied"]
