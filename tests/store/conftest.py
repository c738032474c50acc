"""Migrated databases: copies of one, for that is quicker than to migrate."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from projector.store.database import Database
from tests.support.databases import migrated
from tests.support.postgres import Server


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server) -> Iterator[str]:
    """The URL of a migrated Postgres database that is only copied."""
    url = postgres_server.create_database()
    with migrated(url):
        pass
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database that is only copied."""
    path = tmp_path_factory.mktemp("template") / "projector.db"
    with migrated(f"sqlite:///{path}"):
        pass
    return path


@pytest.fixture
def sqlite_database(sqlite_path: Path) -> Iterator[Database]:
    """An empty SQLite database with the schema."""
    database = Database(f"sqlite:///{sqlite_path}")
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_server: Server, postgres_template: str) -> Iterator[Database]:
    """An empty Postgres database with the schema."""
    url = postgres_server.create_database(template=postgres_template)
    database = Database(url)
    yield database
    database.close()
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> Database:
    """An empty database with the schema, once on each engine."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def sqlite_path(tmp_path: Path, sqlite_template: Path) -> Path:
    """The file of the SQLite database."""
    return Path(shutil.copy(sqlite_template, tmp_path / "projector.db"))
