"""A server that all tests of a module share, and the log that it writes."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.serving.servers import Serving, serving, until_ready
from tests.serving.talking import ask, webhook
from tests.support.databases import copy_file
from tests.support.given import created

#: Deliver an event of its own and be answered: the server serves.
Served = Callable[[], None]


@pytest.fixture(scope="module")
def database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The database of the shared server."""
    url = copy_file(sqlite_template, tmp_path_factory.mktemp("served"))
    with closing(Database(url)) as database:
        yield database


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Serving]:
    """A server that all tests of a module share."""
    with serving(str(database.url)) as server:
        until_ready(server)
        yield server


@pytest.fixture
def served(server: Serving) -> Served:
    """Delivers an event, which is answered and then in the tables."""

    def deliver() -> None:
        event = created("cust_1", at="2024-03-04T10:00:00Z", id=uuid.uuid4().hex)
        answer = ask(server.port, webhook(event))
        assert (answer.status, answer.json["outcome"]) == (200, "appended")
        position = answer.json["position"]
        found = server.get(f"/customers/cust_1?min_position={position}")
        assert found.status == 200
        assert found.json["position"] >= position

    return deliver
