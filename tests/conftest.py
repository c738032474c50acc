"""Databases for tests: every test gets an empty one of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from projector.store.database import Database
from tests.support.databases import migrated, wipe
from tests.support.postgres import Server, running_server

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


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_database(
    request: pytest.FixtureRequest,
    postgres_server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Database]:
    """A migrated database for all tests of a module, once on each engine."""
    if request.param == "sqlite":
        with migrated(f"sqlite:///{tmp_path_factory.mktemp('shared')}/projector.db") as database:
            yield database
        return
    url = postgres_server.create_database()
    with migrated(url) as database:
        yield database
    postgres_server.drop_database(url)


@pytest.fixture
def wiped_database(shared_database: Database) -> Database:
    """The same, as empty as a new one, which takes longer to make."""
    wipe(shared_database)
    return shared_database


@pytest.fixture
def shared_url(shared_database: Database) -> str:
    """Its URL, for opening it a second time."""
    return shared_database.url.render_as_string(hide_password=False)
