"""The direct path writes what the ordinary path would, and leaves to it what it cannot do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.errors import CheckpointMoved
from projector.projections import discover
from projector.projections.projection import Projection
from projector.runner import direct
from projector.runner.direct import Reached
from projector.runner.refold import refold
from projector.runner.runner import catch_up, project_batch
from projector.store import checkpoints, direct_project, group_sizes
from projector.store.append import append
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from tests.support.databases import dead_letters, positions, rows, stored, wipe
from tests.support.given import RECEIVED_AT, append_webhooks, created, entered, left, updated
from tests.support.histories import Arrival, arrivals, histories
from tests.support.items import read_log
from tests.support.oracle import FUSSY, Truth, truth

_FIRST = created("cust_1", at="2024-03-04T10:00:00Z")
_ENTERED = entered("cust_1", "seg_1", at="2024-03-04T10:01:00Z")
_LEFT = left("cust_1", "seg_1", at="2024-03-04T10:02:00Z")


@pytest.fixture
def begun(database: Database) -> Database:
    """A database whose projections are at the first event."""
    append_webhooks(database, _FIRST)
    catch_up(database, discover())
    return database


@pytest.fixture
def other(migrated_url: str) -> Iterator[Database]:
    """The same database, as another process has it."""
    with closing(Database(migrated_url)) as other:
        yield other


def _checkpoints(database: Database) -> dict[str, Checkpoint]:
    with database.reading() as connection:
        return checkpoints.read(connection, discover())


def _contents(database: Database) -> Any:
    with database.reading() as connection:
        sizes = {each.name: group_sizes.read(connection, each.name) for each in discover()}
    return stored(database), dead_letters(database), _checkpoints(database), sizes


def _step(database: Database, projections: Sequence[Projection]) -> bool:
    """Project what is new; return whether the direct path did it."""
    reached = direct.project(database, projections)
    catch_up(database, projections)
    return reached is not None and reached.has_advanced


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    projections=st.sampled_from([list(discover()), FUSSY]),
    arriving=histories().flatmap(arrivals),
)
def test_each_step_gives_the_rows_and_the_digests_of_a_fold_from_the_beginning(
    database: Database, projections: list[Projection], arriving: list[Arrival]
) -> None:
    """Whichever path the events of a step take."""
    wipe(database)
    for each in arriving:
        append(database, each.envelopes, received_at=RECEIVED_AT)
        _step(database, projections)
        found = Truth(rows(database, projections), dead_letters(database))
        assert found == truth(projections, read_log(database))
    live = _contents(database)
    with database.writing() as connection:
        for projection in projections:
            checkpoints.delete_one(connection, projection.name)
            connection.exec_driver_sql(f"DELETE FROM {projection.name}")
        connection.exec_driver_sql("DELETE FROM dead_letter")
        connection.exec_driver_sql("DELETE FROM group_size")
    while project_batch(database, projections, until=2**62, batch_events_max=100):
        pass
    assert _contents(database) == live


def test_a_few_new_events_take_the_direct_path(begun: Database) -> None:
    """In order, of customers that are known or new."""
    append_webhooks(begun, _ENTERED, created("cust_2", at="2024-03-04T10:01:00Z"))
    assert direct.project(begun, discover()) == Reached(3, has_advanced=True)
    assert set(positions(begun).values()) == {3}
    append_webhooks(begun, _LEFT)
    assert _step(begun, discover())
    assert rows(begun) == truth(discover(), read_log(begun)).rows


def test_nothing_new_is_reached_without_a_write(begun: Database) -> None:
    """So a projector that has caught up knows it by one statement."""
    before = _contents(begun)
    assert direct.project(begun, discover()) == Reached(1, has_advanced=False)
    assert _contents(begun) == before


def _no_projection(database: Database) -> Sequence[Projection]:
    return []


def _too_many(database: Database) -> Sequence[Projection]:
    append_webhooks(
        database,
        *(
            updated("cust_1", at=f"2024-03-04T11:00:{number:02}Z", id=f"many{number}")
            for number in range(direct.EVENTS_MAX)
        ),
    )
    return discover()


def _late(database: Database) -> Sequence[Projection]:
    append_webhooks(database, updated("cust_1", at="2024-03-04T09:00:00Z"))
    return discover()


def _dead(database: Database) -> Sequence[Projection]:
    append_webhooks(database, entered("cust_1", {"name": "no id"}, at="2024-03-04T11:00:00Z"))
    return discover()


def _raising(database: Database) -> Sequence[Projection]:
    def fail(_state: object) -> list[Any]:
        raise ArithmeticError("to_rows")

    return [evolve(each, to_rows=fail) if "segment" in each.name else each for each in discover()]


def _outdated(database: Database) -> Sequence[Projection]:
    return [evolve(each, version=each.version + 1) for each in discover()]


def _at_different_positions(database: Database) -> Sequence[Projection]:
    append_webhooks(database, updated("cust_1", at="2024-03-04T11:00:00Z", id="uneven"))
    project_batch(database, discover()[:1], batch_events_max=100)
    return discover()


def _without_a_checkpoint(database: Database) -> Sequence[Projection]:
    with database.writing() as connection:
        checkpoints.delete_one(connection, discover()[0].name)
    return discover()


def _set_aside(database: Database) -> Sequence[Projection]:
    with database.writing() as connection:
        checkpoints.set_error(connection, discover()[0], "It failed.")
    return discover()


def _without_a_table(database: Database) -> Sequence[Projection]:
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE segment_membership RENAME TO elsewhere")
    return discover()


@pytest.mark.parametrize(
    "prepare",
    [
        _no_projection,
        _too_many,
        _late,
        _dead,
        _raising,
        _outdated,
        _at_different_positions,
        _without_a_checkpoint,
        _set_aside,
        _without_a_table,
    ],
)
def test_the_rest_is_left_to_the_ordinary_path_with_nothing_written(
    begun: Database, prepare: Callable[[Database], Sequence[Projection]]
) -> None:
    """Each of them needs more than an upsert of rows."""
    projections = prepare(begun)
    append_webhooks(begun, _ENTERED)
    before = positions(begun), dead_letters(begun)
    assert direct.project(begun, projections) is None
    assert (positions(begun), dead_letters(begun)) == before


def test_the_first_events_are_left_to_the_ordinary_path(database: Database) -> None:
    """It checks that the tables are empty."""
    append_webhooks(database, _FIRST)
    assert direct.project(database, discover()) is None


def _project_elsewhere(other: Database) -> None:
    catch_up(other, discover())


def _refold_elsewhere(other: Database) -> None:
    refold(other, discover(), [1])


@pytest.mark.parametrize("meanwhile", [_project_elsewhere, _refold_elsewhere])
def test_a_projector_that_was_faster_wins_and_nothing_is_written_twice(
    begun: Database,
    other: Database,
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Database], None],
) -> None:
    """It moves the checkpoints, or raises their generation, between the reads and the write."""
    append_webhooks(begun, _ENTERED)
    write = direct_project.write

    def lose(database: Database, advances: Any) -> bool:
        monkeypatch.setattr(direct_project, "write", write)
        meanwhile(other)
        return write(database, advances)

    monkeypatch.setattr(direct_project, "write", lose)
    with pytest.raises(CheckpointMoved):
        direct.project(begun, discover())
    monkeypatch.setattr(direct_project, "write", lose)
    after = _contents(begun)
    catch_up(begun, discover())
    assert rows(begun) == truth(discover(), read_log(begun)).rows
    assert set(positions(begun).values()) == {2}
    if meanwhile is _project_elsewhere:
        assert _contents(begun) == after
