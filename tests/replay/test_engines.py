"""Whatever the engine, and however the log is cut, the rows are those of the live projector."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.errors import EventsLost, WorkerDied
from projector.projections import discover
from projector.projections.projection import Projection
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from replay import rebuild, spill
from replay.engines import ENGINES, Engine, EnginePiece, Job, buckets, engine, parallel
from tests.support.databases import dead_letters, positions, stored, wipe
from tests.support.engines import as_engine
from tests.support.given import RECEIVED_AT, append_and_project, delivery, entered, joined
from tests.support.histories import Arrival, arrivals, histories
from tests.support.logs import MONDAY, by_steps, cut_small, sql
from tests.support.oracle import FUSSY

pytestmark = pytest.mark.timeout(600)

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
_arriving = histories().flatmap(arrivals)


@settings(max_examples=25, suppress_health_check=_SHARED)
@given(
    arriving=_arriving,
    projections=st.sampled_from([list(discover()), FUSSY]),
    size=st.sampled_from([1, 2, 3, 1000]),
    sorted_bytes_max=st.sampled_from([0, buckets.SORTED_BYTES_MAX]),
    part_streams=st.sampled_from([1, 2, engine.PART_STREAMS]),
)
def test_a_log_cut_into_ranges_and_buckets_folds_to_the_same_bytes(
    database: Database,
    arriving: list[Arrival],
    projections: list[Projection],
    size: int,
    sorted_bytes_max: int,
    part_streams: int,
) -> None:
    wipe(database)
    _project(database, arriving, projections)
    live = _found(database)
    with cut_small(size), pytest.MonkeyPatch.context() as patched:
        patched.setattr(buckets, "SORTED_BYTES_MAX", sorted_bytes_max)
        patched.setattr(engine, "PART_STREAMS", part_streams)
        rebuild(database, projections, by_steps)
    assert _found(database) == live


@pytest.mark.parametrize("workers", [1, 2, 3])
@settings(max_examples=4, suppress_health_check=_SHARED)
@given(arriving=_arriving, projections=st.sampled_from([list(discover()), FUSSY]))
def test_worker_processes_fold_to_the_same_bytes(
    database: Database, arriving: list[Arrival], projections: list[Projection], workers: int
) -> None:
    wipe(database)
    _project(database, arriving, projections)
    live = _found(database)
    with cut_small(2):
        rebuild(database, projections, ENGINES["parallel"], workers=workers)
    assert _found(database) == live


@pytest.mark.parametrize("engine_", [*ENGINES.values(), by_steps], ids=[*ENGINES, "by-steps"])
def test_an_empty_log_is_rebuilt_to_empty_tables(database: Database, engine_: Engine) -> None:
    done = rebuild(database, discover(), engine_)
    assert {each.rows for each in done.rebuilt} == {0}
    assert {each.position for each in done.rebuilt} == {0}


@pytest.mark.parametrize("engine_", [*ENGINES.values(), by_steps], ids=[*ENGINES, "by-steps"])
def test_undecodable_events_are_dead_letters_of_the_shadow_first(
    database: Database, engine_: Engine
) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        joined("cust_1", "", at=MONDAY),
        delivery("customer.segment.left", None, at=MONDAY, segment={"id": "seg_1"}),
        delivery("order.created", "cust_1", at=MONDAY),
    )
    assert len(dead_letters(database)) == 5
    live = _found(database)
    rebuild(database, discover(), engine_)
    assert _found(database) == live


def test_a_worker_that_is_killed_ends_the_rebuild_and_leaves_everything_as_it_was(
    database: Database,
) -> None:
    append_and_project(database, *(entered(f"cust_{n}", "seg_1", at=MONDAY) for n in range(20)))
    live = _found(database)

    @as_engine
    def murdered(job: Job) -> Iterator[EnginePiece]:
        for piece in parallel.run(job):
            yield piece
            for child in _children():
                os.kill(child, signal.SIGKILL)

    with cut_small(2), pytest.raises(WorkerDied, match="killed"):
        rebuild(database, discover(), murdered, workers=2)
    assert _found(database) == live
    assert _children() == []
    assert rebuild(database, discover(), ENGINES["parallel"]).found_leftovers is False


def test_a_bucket_that_is_gone_ends_the_rebuild_and_leaves_everything_as_it_was(
    database: Database,
) -> None:
    append_and_project(database, *(entered(f"cust_{n}", "seg_1", at=MONDAY) for n in range(40)))
    live = _found(database)

    @as_engine
    def robbed(job: Job) -> Iterator[EnginePiece]:
        for piece in parallel.run(job):
            yield piece
            spill.remove(job.folder, job.plan.buckets - 1)

    with (
        cut_small(2),
        pytest.raises(EventsLost, match="wrote 40 events to temporary files, but read 38 back"),
    ):
        rebuild(database, discover(), robbed)
    assert _found(database) == live


def _children() -> list[int]:
    """The worker processes of this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, fields = status.read_text().rsplit(")", 1)
            command = (status.parent / "cmdline").read_text()
        except OSError:
            continue
        if int(fields.split()[1]) == os.getpid() and "spawn_main" in command:
            found.append(int(name.split()[0]))
    return found


def _project(database: Database, arriving: list[Arrival], projections: list[Projection]) -> None:
    for arrival in arriving:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
    catch_up(database, projections, batch_events_max=3)


def _found(database: Database) -> tuple[object, ...]:
    # Whose a letter is decides who is told that the answer is not complete.
    whole = sorted(sql(database, "SELECT * FROM dead_letter"), key=repr)
    return stored(database), dead_letters(database), whole, positions(database)
