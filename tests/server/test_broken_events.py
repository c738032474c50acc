"""A body of many deliveries that breaks off: what came before the break is in the log."""

import asyncio
import gzip
import json

import msgspec
import pytest

from projector.server.context import ServerConfig, ServerContext
from projector.server.routes import build
from projector.store.database import Database
from tests.support.asgi import ask
from tests.support.given import entered
from tests.support.items import read_log


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def test_the_answer_to_a_broken_body_reports_what_was_appended_before(database: Database) -> None:
    deliveries = [
        entered(f"cust_{number}", "seg_1", at="2024-03-01T10:00:00Z") for number in range(10)
    ]
    body = gzip.compress("".join(f"{json.dumps(each)}\n" for each in deliveries).encode())

    async def story() -> None:
        service = ServerContext(database, ServerConfig(runs_follower=False))
        async with service.running():
            reply = await ask(
                build(service), "POST", "/events", body=body[:-4], content_encoding="gzip"
            )
        assert reply.status == 400
        assert "safely in the log" in msgspec.json.decode(reply.body)["hint"]

    asyncio.run(story())
    # The last one may go on behind the break.
    assert len(read_log(database)) >= 9
