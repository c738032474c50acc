"""The indexes are part of the contract: no look-up goes through a whole table.

What the program asks is watched, and the database is asked how it would find that out. Postgres
goes through small tables as a whole, indexes or not: here it does so only where it has no choice.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import Connection, event

from projector.envelope import CustomerKey
from projector.errors import CustomerNotFound, GroupNotFound, NothingConcerns
from projector.explain import Question, why
from projector.projections import discover
from projector.query import NOW, Moment, find_customer
from projector.runner import catch_up
from projector.store import log, state
from projector.store.engine import Database
from tests.store.items import at, envelope, put

_CUSTOMERS = [f"cust_{number}" for number in range(200)]
_NO_CHOICE = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin")

#: The keys that were asked for, and tables of one row or of one row a projection.
_SMALL = re.compile(r"(SCAN )?(anon_1 VIRTUAL TABLE|CONSTANT ROW|log_head|checkpoint)")
#: A column and how it is compared, as both databases write it in a plan.
_TERM = re.compile(r'"?(\w+)"? ?(=|<|>|IS)')
_WIDE = {("project_id", "="), ("position", "<"), ("rowid", "<")}
_SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Index Scan"}


@pytest.fixture
def filled(database: Database) -> Database:
    """A database with something in every table that a look-up goes to."""
    put(
        database,
        *(
            envelope(f"e{number}", customer_id=_CUSTOMERS[number % 200], minute=number)
            for number in range(1000)
        ),
        envelope("nobody", customer_id=None),
    )
    catch_up(database, discover())
    return database


@contextmanager
def _watched(database: Database) -> Iterator[list[tuple[str, Any]]]:
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.lstrip().startswith("SELECT"):
            asked.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    yield asked
    event.remove(database.engine, "before_cursor_execute", note)


def _whole_tables(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The steps of a statement that go through a whole table, other than a small one."""
    if connection.dialect.name == "sqlite":
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        found = [step.detail for step in steps if step.detail.startswith(("SCAN", "SEARCH"))]
        return [each for each in found if not _SMALL.match(each) and not _narrows(each)]
    for setting in _NO_CHOICE:
        connection.exec_driver_sql(f"SET LOCAL {setting} = off")
    [[[plan]]] = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).all()
    scans = [node for node in _nodes(plan["Plan"]) if node["Node Type"] in _SCANS]
    whole = [node for node in scans if not _narrows(node.get("Index Cond", ""))]
    names = [node.get("Relation Name") or node["Index Name"] for node in whole]
    return [name for name in names if not _SMALL.match(name)]


def _narrows(condition: str) -> bool:
    """Whether an index is searched for more than a project, or than all up to a position."""
    return not set(_TERM.findall(condition)) <= _WIDE


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    below = node.pop("Plans", [])
    yield node
    for each in below:
        yield from _nodes(each)


def _append(database: Database) -> None:
    put(
        database,
        *(envelope(f"e{number}", customer_id=_CUSTOMERS[number]) for number in range(0, 40, 2)),
        *(envelope(f"new{number}", customer_id=_CUSTOMERS[number]) for number in range(20)),
    )


def _read(database: Database) -> None:
    with database.reading() as connection:
        log.read(connection, after=500, until=900, limit=50)


def _read_streams(database: Database) -> None:
    with database.reading() as connection:
        list(log.read_streams(connection, [3, 5, 7], until=1000))


def _read_range(database: Database) -> None:
    with database.reading() as connection:
        list(log.read_stream_range(connection, after=3, last=8, until=1000))


def _read_streamless(database: Database) -> None:
    with database.reading() as connection:
        list(log.read_streamless(connection, ["customer.updated"], until=1000))


def _find(database: Database) -> None:
    with database.reading() as connection:
        log.find(connection, {"proj_1": ["e1", "e2"]})


def _load(database: Database) -> None:
    with database.reading() as connection:
        for projection in discover():
            customers = [CustomerKey("proj_1", each) for each in _CUSTOMERS[:20]]
            state.load(connection, projection, customers)


def _customer(database: Database) -> None:
    find_customer(database, "cust_7")
    find_customer(database, "cust_7", project_id="proj_1")
    with suppress(CustomerNotFound):
        find_customer(database, "shop", by_source_id=True)


def _why(database: Database) -> None:
    put(database, envelope("seg", customer_id="cust_7", type="customer.segment.entered"))
    then = Moment(as_of=at(500))
    for moment in (NOW, then):
        for question in (
            Question(identifier="cust_7", segment_id="seg_1", moment=moment),
            Question(identifier="cust_7", campaign_id="camp_1", moment=moment),
            Question(identifier="cust_7", not_="seg_9", moment=moment),
        ):
            with suppress(NothingConcerns, GroupNotFound):
                why(database, question)


@pytest.mark.parametrize(
    "job",
    [_append, _read, _read_streams, _read_range, _read_streamless, _find, _load, _customer, _why],
)
def test_no_look_up_goes_through_a_whole_table(filled: Database, job: Any) -> None:
    with _watched(filled) as asked:
        job(filled)
    assert asked
    with filled.reading() as connection:
        plans = {each[0]: _whole_tables(connection, *each) for each in asked}
    assert [statement for statement, whole in plans.items() if whole] == [], plans


def test_going_through_a_whole_table_is_noticed(filled: Database) -> None:
    with filled.reading() as connection:
        for statement in (
            "SELECT * FROM event WHERE body = 'x'",
            "SELECT count(*) FROM event",
            "SELECT * FROM stream WHERE last_event_id = 'e7'",
            "SELECT * FROM event WHERE body = 'x' AND position <= 1000",
            "SELECT * FROM event WHERE body = 'x' AND project_id = 'proj_1'",
        ):
            assert _whole_tables(connection, statement, ())
