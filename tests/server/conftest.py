"""Servers for the tests of a module, which share one on each database."""

from collections.abc import Iterator

import pytest

from projector.store.database import Database
from tests.support.databases import url_of
from tests.support.http_client import Client
from tests.support.server_process import Server, serving


@pytest.fixture(scope="module")
def server(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that anybody on this machine may ask, once on each engine."""
    url = url_of(shared_database)
    with serving(tmp_path_factory.mktemp("server"), url) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Client:
    """Asks it."""
    return server.client
