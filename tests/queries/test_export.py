"""Every customer's answer, one after the other: the same as one by one, in constant memory."""

import gc
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from sqlalchemy import event, select

from projector import CustomerState, Projector
from projector.envelope import CustomerKey
from projector.errors import CustomerNotFound, PositionUnknown
from projector.queries.export import PIECE_CUSTOMERS_MAX
from projector.store.database import Database
from projector.store.tables import stream
from tests.cli.conftest import lines
from tests.support.command import run_program
from tests.support.databases import copy_file, wipe
from tests.support.given import (
    Delivery,
    append_and_project,
    created,
    deleted,
    delivery,
    entered,
    joined,
)
from tests.support.histories import histories

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture(scope="module")
def fresh(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Another database, to compare with."""
    url = copy_file(sqlite_template, tmp_path_factory.mktemp("fresh"))
    with closing(Database(url)) as database:
        yield database


def exported(database: Database, at_position: int | None = None) -> list[CustomerState]:
    return list(Projector(database).export_customers(at_position=at_position))


def keys(answers: Sequence[CustomerState]) -> list[tuple[str, str]]:
    return [(each.project_id, each.customer_id) for each in answers]


def one_by_one(database: Database) -> list[CustomerState]:
    """What is answered when each customer of the log is asked for, in the order of the bytes."""
    with database.reading() as connection:
        rows = connection.execute(select(stream.c.project_id, stream.c.customer_id)).all()
    answers = []
    for key in sorted((CustomerKey(*row) for row in rows), key=lambda key: [*map(str.encode, key)]):
        try:
            answer = Projector(database).customer(key.customer_id, project_id=key.project_id)
        except CustomerNotFound:
            continue
        answers.append(answer)
    return answers


@settings(max_examples=25, suppress_health_check=_SHARED)
@for_any(history=histories())
def test_each_is_the_answer_that_this_customer_gets(
    database: Database, history: list[Delivery]
) -> None:
    wipe(database)
    append_and_project(database, *history)
    assert exported(database) == one_by_one(database)


@settings(max_examples=15, suppress_health_check=_SHARED)
@for_any(history=histories(size_max=8))
def test_at_a_position_it_is_the_export_of_a_database_that_got_no_more(
    database: Database, fresh: Database, history: list[Delivery]
) -> None:
    for each in (database, fresh):
        wipe(each)
    append_and_project(database, *history)
    for position in range(len(history) + 1):
        assert exported(database, position) == exported(fresh)
        append_and_project(fresh, *history[position : position + 1])


def test_the_order_is_that_of_the_bytes(database: Database) -> None:
    # That of UTF-16, in which the last two change places, is another one, and that of any language.
    ids = ["1", "10", "2", "Z", "_", "a", "a b", "é", "日", "\uffff", "😀"]
    append_and_project(
        database,
        *(
            created(customer_id, at=MONDAY, project_id=project_id)
            for customer_id in reversed(ids)
            for project_id in ("é", "a", "Z")
        ),
    )
    expected = [(project_id, each) for project_id in ("Z", "a", "é") for each in ids]
    assert keys(exported(database)) == expected
    assert keys(exported(database, 33)) == expected


def test_a_customer_known_only_by_a_dead_letter_is_exported(
    database: Database,
) -> None:
    append_and_project(
        database,
        entered("cust_1", {"name": "of no id"}, at=MONDAY),
        delivery("something.else", "cust_2", at=MONDAY),
        delivery("voucher.created", None, at=MONDAY),
        entered("cust_3", "seg_1", at=MONDAY),
        joined("cust_3", "", at=MONDAY),
        deleted("cust_4", at=MONDAY),
    )
    for at_position in (None, 6):
        found = exported(database, at_position)
        assert [(each.customer_id, each.complete) for each in found] == [
            ("cust_1", False),
            ("cust_2", True),
            ("cust_3", False),
            ("cust_4", True),
        ]


def test_tables_that_are_behind_say_so(database: Database) -> None:
    append_and_project(database, created("cust_1", at=MONDAY))
    Projector(database).ingest([lines(created("cust_2", at=MONDAY))])
    assert [(each.customer_id, each.position) for each in exported(database)] == [("cust_1", 1)]
    assert [(each.customer_id, each.position) for each in exported(database, 2)] == [
        ("cust_1", 2),
        ("cust_2", 2),
    ]


@pytest.mark.parametrize("at_position", [-1, 2, 2**70])
def test_a_position_that_is_not_in_the_log_is_refused(database: Database, at_position: int) -> None:
    append_and_project(database, created("cust_1", at=MONDAY))
    with pytest.raises(PositionUnknown):
        exported(database, at_position)
    assert exported(database, 0) == []


_AT_POSITION = pytest.mark.parametrize("at", [None, lambda count: count], ids=["now", "position"])
#: The position to export at, by the number of events.
At = Callable[[int], int] | None


def _many(database: Database, count: int) -> list[str]:
    """So many customers, in the order of their ids."""
    ids = [f"cust_{number:06}" for number in range(count)]
    append_and_project(database, *(created(each, at=MONDAY, name="x" * 100) for each in ids))
    return ids


@_AT_POSITION
def test_every_customer_at_the_edge_of_a_piece_is_exported_once(database: Database, at: At) -> None:
    ids = _many(database, 2 * PIECE_CUSTOMERS_MAX + 1)
    found = exported(database, at and at(len(ids)))
    assert [each.customer_id for each in found] == ids


@pytest.fixture(scope="module")
def crowded(shared_database: Database) -> Iterator[tuple[Database, int]]:
    """A database with so many customers that nobody wants to hold all of them."""
    wipe(shared_database)
    yield shared_database, len(_many(shared_database, 20_000))
    wipe(shared_database)


@_AT_POSITION
def test_the_first_answer_does_not_wait_for_the_last(crowded: tuple[Database, int], at: At) -> None:
    database, count = crowded
    # What is imported or cached at the first time is no part of it.
    next(Projector(database).export_customers(at_position=at and at(count)))
    tracemalloc.start()
    try:
        with closing(Projector(database).export_customers(at_position=at and at(count))) as answers:
            first = next(answers)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert first.customer_id == "cust_000000"
    assert peak < 6_000_000, "all of them take about 20 MB"


@_AT_POSITION
def test_postgres_keeps_the_rows_until_they_are_wanted(postgres_database: Database, at: At) -> None:
    """What a driver has fetched beforehand is in no memory that Python could measure."""
    count = len(_many(postgres_database, 3))
    whole = []

    def note(_connection: object, cursor: object, statement: str, *_more: object) -> None:
        if statement.startswith("SELECT") and not isinstance(cursor, psycopg.ServerCursor):
            whole.append(statement.split("FROM ")[1].split()[0])

    projector = Projector(postgres_database)
    # With its checks, which are made once.
    assert projector.database is postgres_database
    event.listen(postgres_database.engine, "before_cursor_execute", note)
    assert [*projector.export_customers(at_position=at and at(count))]
    # Of one row, or one a projection.
    assert set(whole) <= {"log_head", "checkpoint"}


@_AT_POSITION
@pytest.mark.parametrize("by", ["closing", "dropping"])
def test_an_export_that_is_left_half_way_leaves_nothing_open(
    crowded: tuple[Database, int], at: At, by: str
) -> None:
    database, count = crowded
    # Some are kept for answers about single customers.
    before = database.engine.pool.checkedout()  # type: ignore[attr-defined]
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        answers = Projector(database).export_customers(at_position=at and at(count))
        for _ in range(3):
            next(answers)
        if by == "closing":
            answers.close()
        del answers
        gc.collect()
    assert [str(each.message) for each in complaints] == []
    assert database.engine.pool.checkedout() == before  # type: ignore[attr-defined]


@_AT_POSITION
def test_an_export_is_of_one_moment_whatever_comes_in_meanwhile(
    migrated_url: str, tmp_path: Path, at: At
) -> None:
    with closing(Database(migrated_url)) as database:
        ids = _many(database, 2 * PIECE_CUSTOMERS_MAX + 1)
        before = exported(database, at and at(len(ids)))
        answers = Projector(database).export_customers(at_position=at and at(len(ids)))
        found = [next(answers)]
        changed = run_program(
            tmp_path,
            "ingest",
            "-",
            stdin=lines(
                *(deleted(each, at=TUESDAY) for each in ids[-50:]),
                *(created(f"{each}_more", at=TUESDAY) for each in ids[::40]),
            ),
            PROJECTOR_DATABASE_URL=migrated_url,
        )
        assert (changed.code, changed.err) == (0, "")
        assert [*found, *answers] == before
        assert exported(database) != before
