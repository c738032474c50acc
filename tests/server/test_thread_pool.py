"""Questions that take long keep nobody waiting but others of their kind."""

import asyncio
from threading import Event
from typing import Any

import pytest

from projector.queries.members import SegmentCount
from projector.server.context import ServerConfig, ServerContext
from projector.server.endpoints import groups
from projector.server.errors import Overloaded
from projector.server.routes import build
from projector.server.thread_pool import THREADS_MAX, WAITING_MAX, ThreadPool
from projector.store.append import Outcome
from projector.store.database import Database
from tests.support.asgi import get
from tests.support.items import envelope

_LONG = 10.0


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def test_many_long_questions_starve_neither_webhooks_nor_health(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Event()

    def takes_long(database: Database, **_told: Any) -> list[SegmentCount]:
        with database.reading():
            assert ended.wait(_LONG)
        return []

    monkeypatch.setattr(groups, "list_segments", takes_long)

    async def story() -> None:
        service = ServerContext(database, ServerConfig(runs_follower=False))
        app = build(service)
        async with service.running():
            long = [asyncio.create_task(get(app, "/segments")) for _ in range(60)]
            await asyncio.sleep(0.1)
            try:
                async with asyncio.timeout(_LONG / 2):
                    [receipt] = await service.writer.append([envelope("a")], 100)
                    assert receipt.outcome is Outcome.APPENDED
                    await service.positions.wait_for(0)
                    assert (await get(app, "/customers/cust_2")).status == 404
                    # Looked at once more, by a thread.
                    seen = service.health_monitor.health()
                    while service.health_monitor.health() is seen:
                        await asyncio.sleep(0.05)
                    assert service.health_monitor.health().database
            finally:
                ended.set()
            assert {(await each).status for each in long} == {200}

    asyncio.run(story())


def test_no_more_questions_wait_than_fit() -> None:
    ended = Event()

    async def story() -> None:
        questions = ThreadPool()
        some = [asyncio.create_task(questions.run(ended.wait, _LONG)) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(Overloaded):
                await questions.run(ended.wait, _LONG)
        finally:
            ended.set()
        assert all(await asyncio.gather(*some))
        assert await questions.run(ended.wait, _LONG)

    asyncio.run(story())


def test_the_pool_has_connections_for_all_questions_and_for_all_others(database: Database) -> None:
    others = ("writer", "reader", "projector", "health", "tokens", "progress")
    pool: Any = database.engine.pool
    assert THREADS_MAX + len(others) <= pool.size() + pool._max_overflow
