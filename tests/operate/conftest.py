"""One database for all tests of a module, which each of them gets empty."""

import pytest

from projector.store.database import Database


@pytest.fixture
def database(wiped_database: Database) -> Database:
    """An empty database with the schema, once on each engine."""
    return wiped_database
