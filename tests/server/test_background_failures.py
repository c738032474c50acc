"""What goes wrong beside the requests stops nothing for good, and is told as it is."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from projector.projections.projection import Projection
from projector.queries.status import Status, read_status
from projector.server import health, metrics
from projector.server.batcher import Batcher, Bounds
from projector.server.health import HealthMonitor
from projector.server.metrics import Metrics
from projector.server.positions import read_tables_position
from projector.server.writer import Commit, Writer
from projector.store.append import Outcome
from projector.store.database import Database
from tests.support.items import envelope, read_log

_BOUNDS = Bounds(together_max=10, together_weight_max=10, waiting_weight_max=100)


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


@pytest.mark.parametrize("answers", [1, 3])
def test_work_with_too_few_or_too_many_answers_fails_and_the_next_is_done(answers: int) -> None:
    def work(jobs: Sequence[int]) -> list[int | Exception]:
        return [0] * answers if jobs == [13, 13] else [job + 1 for job in jobs]

    async def story() -> None:
        group: Batcher[int, int] = Batcher(work, _BOUNDS, name="test")
        both = [asyncio.create_task(group.submit(13)) for _ in range(2)]
        await asyncio.sleep(0)
        running = asyncio.create_task(group.run())
        async with asyncio.timeout(5):
            found = await asyncio.gather(*both, return_exceptions=True)
            assert [type(each) for each in found] == [ValueError, ValueError]
            assert await group.submit(1) == 2
            group.stop()
            await running

    asyncio.run(story())


def test_work_that_fails_fails_who_waited_for_it_and_the_next_is_done() -> None:
    def work(jobs: Sequence[int]) -> list[int | Exception]:
        return [100 // job for job in jobs]

    async def story() -> None:
        group: Batcher[int, int] = Batcher(work, _BOUNDS, name="test")
        running = asyncio.create_task(group.run())
        async with asyncio.timeout(5):
            with pytest.raises(ZeroDivisionError):
                await group.submit(0)
            assert await group.submit(1) == 100
            group.stop()
            await running

    asyncio.run(story())


def test_an_appended_delivery_is_acknowledged_although_counting_it_failed(
    database: Database,
) -> None:
    def uncountable(_commit: Commit) -> None:
        raise ValueError

    async def story() -> None:
        writer = Writer(database, on_commit=uncountable)
        running = asyncio.create_task(writer.run())
        [[one], [other]] = await asyncio.gather(
            writer.append([envelope("a")], 1), writer.append([envelope("b")], 1)
        )
        assert (one.outcome, other.outcome) == (Outcome.APPENDED, Outcome.APPENDED)
        writer.stop()
        await running

    asyncio.run(story())
    assert len(read_log(database)) == 2


def test_health_is_looked_at_again_after_a_look_that_failed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [ValueError()]

    def fails_once(database: Database) -> Any:
        if failures:
            raise failures.pop()
        return read_tables_position(database)

    monkeypatch.setattr(health, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(health, "read_tables_position", fails_once)

    async def story() -> None:
        doctor = HealthMonitor(database, lag_max=0, is_working=lambda: True)
        looking = asyncio.create_task(doctor.run())
        async with asyncio.timeout(5):
            while not doctor.health().database:
                await asyncio.sleep(0.01)
        assert not failures
        looking.cancel()

    asyncio.run(story())


def test_concurrent_requests_for_the_metrics_are_answered_one_after_the_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def looks_long(database: Database, projections: Sequence[Projection]) -> Status:
        found.append("begun")
        time.sleep(0.05)
        found.append("ended")
        return read_status(database, projections)

    monkeypatch.setattr(metrics, "read_status", looks_long)
    asked = Metrics(database)
    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(asked.page) for _ in range(2)]:
            each.result()
    assert found == ["begun", "ended"] * 2
