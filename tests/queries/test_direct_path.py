"""Answers about now by one statement are those of the ordinary path, which sends several."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.envelope import CustomerKey
from projector.errors import ProjectorError
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.queries.customers import (
    NOW,
    find_customer,
    find_customers,
    read_customer,
    read_customers,
)
from projector.runner.runner import catch_up
from projector.store import (
    checkpoints,
    customer_rows,
    customers,
    dead_letters,
    log,
    projection_tables,
    table_rows,
)
from projector.store.append import append
from projector.store.customer_rows import By, TablesSnapshot
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.given import RECEIVED_AT, Delivery, append_and_project, created, envelope
from tests.support.histories import histories

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
#: Those of the histories, and some that nobody has or that cannot be asked for.
_IDS = ["cust_1", "cust_2", "nobody", "", "\0", "\ud83c"]
_SOURCE_IDS = ["Ada", "Ädä 😀", "", "123", "nobody", "\0"]

#: A projection of another package.
SHOP: Projection = evolve(named(["customer"])[0], name="shop_customer")


@settings(max_examples=25, suppress_health_check=_SHARED)
@given(history=histories(size_max=24), cut=st.integers(0, 24))
def test_answers_are_those_of_the_ordinary_path(
    database: Database, history: list[Delivery], cut: int
) -> None:
    """Of ids, source ids, projects, deletions, dead letters and tables that are behind."""
    _fill(database, history, cut)
    for project_id in (None, "proj_1", "proj_2"):
        for by_source_id, identifiers in ((False, _IDS), (True, _SOURCE_IDS)):
            for identifier in identifiers:
                asked = identifier, project_id, by_source_id
                assert _direct(database, *asked) == _ordinary(database, *asked)


@settings(max_examples=15, suppress_health_check=_SHARED)
@given(history=histories(size_max=24), cut=st.integers(0, 24))
def test_several_customers_are_those_of_the_ordinary_path(
    database: Database, history: list[Delivery], cut: int
) -> None:
    """A batch has each state once, and the position of one snapshot."""
    _fill(database, history, cut)
    with database.reading_tables() as connection:
        expected, position = read_customers(connection, _IDS)
    found = find_customers(database, _IDS)
    assert found.position == position
    states = [expected.get(each, []) for each in _IDS]
    assert list(found.customers) == [some[0] for some in states if len(some) == 1]
    assert list(found.ambiguous) == [some[0].customer_id for some in states if len(some) > 1]


@settings(max_examples=15, suppress_health_check=_SHARED)
@given(history=histories(size_max=24), cut=st.integers(0, 24))
def test_the_rows_of_every_projection_are_those_of_its_table(
    database: Database, history: list[Delivery], cut: int
) -> None:
    """Also of histories and of projections of other packages."""
    projections = (*discover(), SHOP)
    _fill(database, history, cut, projections=projections)
    for by, key in ((By.ID, "cust_1"), (By.IDS, ["cust_1", "cust_2"]), (By.SOURCE_ID, "Ada")):
        found = customer_rows.read(database, projections, by, key)
        assert found is not None
        assert _sorted(found) == _expected(database, projections, by, key)


def test_a_new_database_has_nobody_at_position_0(database: Database) -> None:
    """Projections without a checkpoint are at the beginning of the log."""
    found = customer_rows.read(database, discover(), By.ID, "cust_1")
    assert found == TablesSnapshot({}, 0, 0)


@pytest.mark.parametrize("key", ["x' OR '1' = '1", "%(key)s", ":key", "ü'\\", '["cust_1"]'])
def test_an_id_of_any_characters_is_a_value(database: Database, key: str) -> None:
    """No character of an id is part of the statement."""
    append_and_project(database, *(created(each, at="2024-01-01T00:00:00Z") for each in (key, "x")))
    assert find_customer(database, key).customer_id == key
    assert [each.customer_id for each in find_customers(database, [key, "x"]).customers] == [
        key,
        "x",
    ]


def _fill(
    database: Database,
    history: Sequence[Delivery],
    cut: int,
    *,
    projections: Sequence[Projection] = (),
) -> None:
    """Append a history; project all of it, but with some projections only its beginning."""
    wipe(database)
    with database.writing() as connection:
        # `wipe` knows the tables of this package only.
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS {SHOP.name}")
        projection_tables.ensure(connection, [each for each in projections if each is SHOP])
    append(database, [envelope(each) for each in history], received_at=RECEIVED_AT)
    every = projections or discover()
    catch_up(database, every[1:], until=min(cut, len(history)))
    catch_up(database, every[:1])


def _direct(database: Database, identifier: str, project_id: str | None, by_source: bool) -> Any:
    return _outcome(
        lambda: find_customer(
            database, identifier, project_id=project_id, by_source_id=by_source, moment=NOW
        )
    )


def _ordinary(database: Database, identifier: str, project_id: str | None, by_source: bool) -> Any:
    with database.reading_tables() as connection:
        return _outcome(lambda: read_customer(connection, identifier, project_id, by_source, NOW))


def _outcome(ask: Callable[[], Any]) -> Any:
    """The answer, or what the error says."""
    try:
        return ask()
    except ProjectorError as error:
        return type(error), str(error)


def _sorted(found: TablesSnapshot) -> Any:
    by_customer = {
        key: (each.complete, {name: sorted(map(repr, rows)) for name, rows in each.rows.items()})
        for key, each in found.customers.items()
    }
    return by_customer, found.position, found.head


def _expected(
    database: Database, projections: Sequence[Projection], by: By, key: str | Sequence[str]
) -> Any:
    with database.reading_tables() as connection:
        if by is By.SOURCE_ID:
            keys = customers.by_source_id(connection, str(key))
        else:
            ids = [key] if isinstance(key, str) else key
            keys = [found for each in ids for found in customers.by_customer_id(connection, each)]

        def rows_of(customer: CustomerKey) -> Any:
            has_any = dead_letters.has_any(
                connection, [each.name for each in projections], *customer
            )
            return not has_any, {
                each.name: sorted(map(repr, table_rows.load_one(connection, each, customer)))
                for each in projections
            }

        return (
            {each: rows_of(each) for each in keys},
            checkpoints.least_position(connection, projections),
            log.head(connection),
        )
