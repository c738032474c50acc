"""Databases to verify: one with few customers, and one with many."""

from collections.abc import Iterator

import pytest

from projector.store.database import Database
from tests.support.databases import copied
from tests.support.given import append_and_project
from tests.support.tampering import life, rowless
from tests.support.verification import CUSTOMERS, OF_NOBODY, UNREADABLE


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Customers who all had the same life, for the tests that put right what they change."""
    with copied(request, tmp_path_factory) as database:
        append_and_project(
            database, *(each for customer_id in CUSTOMERS for each in life(customer_id))
        )
        yield database


@pytest.fixture
def few(wiped_database: Database) -> Database:
    """Two customers and one of whom no table knows, dead letters, and an event of nobody."""
    append_and_project(
        wiped_database, *life("cust_1"), UNREADABLE, *life("cust_2"), rowless("cust_3"), OF_NOBODY
    )
    return wiped_database
