"""Databases for tests: every test gets an empty one of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from projector.store.engine import Database
from tests.databases import migrated, wipe
from tests.postgres import Server, running_server

hypothesis.settings.register_profile(
    "default",
    # How long an example takes depends on what else the machine does.
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real Postgres server, one for each worker."""
    with running_server() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'projector.db'}"


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty Postgres database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def shared_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a database with the schema that many tests use, once on each engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('shared')}/projector.db"
        with migrated(url):
            yield url
        return
    server: Server = request.getfixturevalue("postgres_server")
    url = server.create_database()
    with migrated(url):
        yield url
    server.drop_database(url)


@pytest.fixture
def emptied(shared_url: str) -> Iterator[Database]:
    """That database, as empty as it was when it was migrated; quicker than one of the test's own.

    Only the ids of quarantine entries go on from where the test before has left them.
    """
    database = Database(shared_url)
    wipe(database)
    yield database
    database.close()
