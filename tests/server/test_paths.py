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


def test_a_wrong_method_is_answered_with_the_allowed_ones(database: Database) -> None:
    reply = asyncio.run(get(build(ServerContext(database, ServerConfig())), "/events"))
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/%ff", "/docs/static/%ff", "/%ed%a0%80", "/%00", "/%0d%0aa:%20b", "//x.test", "/%25"]
)
def test_an_unknown_path_is_not_found_even_if_it_is_not_utf_8(
    database: Database, path: str
) -> None:
    reply = asyncio.run(get(build(ServerContext(database, ServerConfig())), path))
    assert reply.status == 404
    assert msgspec.json.decode(reply.body)["code"] == "path_unknown"
