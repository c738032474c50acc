"""Whatever the path of a request is, it has an answer."""

import asyncio

import msgspec
import pytest

from projector.server.context import ServerConfig, ServerContext
from projector.server.routes import build
from projector.store.database import Database
from tests.support.asgi import get


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def test_a_method_that_is_not_possible_is_told_with_those_that_are(database: Database) -> None:
    reply = asyncio.run(get(build(ServerContext(database, ServerConfig())), "/events"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/%ff", "/docs/static/%ff", "/%ed%a0%80", "/%00", "/%0d%0aa:%20b", "//x.test", "/%25"]
)
def test_a_path_that_nobody_knows_is_unknown_be_it_no_text(database: Database, path: str) -> None:
    reply = asyncio.run(get(build(ServerContext(database, ServerConfig())), path))
    assert reply.status == 404
    assert msgspec.json.decode(reply.body)["code"] == "path_unknown"
