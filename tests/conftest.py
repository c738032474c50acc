"""Databases for tests: empty, or copies of one that was migrated once in each worker.

To migrate takes fifteen times as long as to copy.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path

import hypothesis
import pytest

from projector.store.database import Database
from tests.support import isolation
from tests.support.copies import Copies, copies
from tests.support.databases import copied, copy_file, migrated, url_of, wipe
from tests.support.postgres import Server, running_server

hypothesis.settings.register_profile(
    "default",
    # How long an example takes depends on what else the machine does.
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    print_blob=True,
)
hypothesis.settings.load_profile("default")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare `-m fast` the import of folders that have no test of the fast set."""
    is_spared = config.option.markexpr == "fast" and isolation.is_external(collection_path)
    return True if is_spared else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the fast set."""
    for item in items:
        if isolation.is_fast(item):
            item.add_marker("fast")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Keep a test of the fast set from reaching outside while its fixtures are made."""
    with _isolated(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Keep a test of the fast set from reaching outside."""
    with _isolated(item):
        return (yield)


def _isolated(item: pytest.Item) -> AbstractContextManager[None]:
    return isolation.isolated() if item.get_closest_marker("fast") else nullcontext()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A real Postgres server, one for each worker."""
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that is only copied, one for each worker."""
    path = tmp_path_factory.mktemp("template") / "projector.db"
    with migrated(f"sqlite:///{path}"):
        pass
    assert [*path.parent.iterdir()] == [path], "closing it has left nothing in a -wal file"
    return path


@pytest.fixture(scope="session")
def postgres_copies(postgres_server: Server) -> Iterator[Copies]:
    """Copies of a migrated Postgres database, one for each worker."""
    with copies(postgres_server) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_template(postgres_copies: Copies) -> str:
    """The URL of a migrated Postgres database that is only copied, one for each worker."""
    return postgres_copies.template


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Each of the engines, for all the fixtures that a test uses."""
    name: str = request.param
    return name


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'projector.db'}"


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty Postgres database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest, engine: str) -> str:
    """The URL of an empty database without the schema, once on each engine."""
    url: str = request.getfixturevalue(f"{engine}_url")
    return url


@pytest.fixture
def migrated_sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with the schema."""
    return copy_file(sqlite_template, tmp_path)


@pytest.fixture
def migrated_postgres_url(postgres_copies: Copies) -> Iterator[str]:
    """The URL of a Postgres database with the schema."""
    with postgres_copies.copy() as url:
        yield url


@pytest.fixture
def migrated_url(request: pytest.FixtureRequest, engine: str) -> str:
    """The URL of a database with the schema, once on each engine."""
    url: str = request.getfixturevalue(f"migrated_{engine}_url")
    return url


@pytest.fixture
def sqlite_database(migrated_sqlite_url: str) -> Iterator[Database]:
    """A SQLite database with the schema."""
    with closing(Database(migrated_sqlite_url)) as database:
        yield database


@pytest.fixture
def postgres_database(migrated_postgres_url: str) -> Iterator[Database]:
    """A Postgres database with the schema."""
    with closing(Database(migrated_postgres_url)) as database:
        yield database


@pytest.fixture
def database(request: pytest.FixtureRequest, engine: str) -> Database:
    """A database with the schema, at `migrated_url`, once on each engine."""
    found: Database = request.getfixturevalue(f"{engine}_database")
    return found


@pytest.fixture
def both(sqlite_database: Database, postgres_database: Database) -> tuple[Database, Database]:
    """A SQLite and a Postgres database, each with the schema."""
    return sqlite_database, postgres_database


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A database with the schema for all tests of a module, once on each engine."""
    with copied(request, tmp_path_factory) as database:
        yield database


@pytest.fixture
def wiped_database(shared_database: Database) -> Database:
    """The shared database, made empty, which is quicker than another copy."""
    wipe(shared_database)
    return shared_database


@pytest.fixture
def shared_url(shared_database: Database) -> str:
    """The URL of the shared database, for opening it a second time."""
    return url_of(shared_database)
