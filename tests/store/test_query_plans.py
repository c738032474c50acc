"""The indexes are part of the contract: no look-up goes through a whole table.

What the program asks is watched, and the database is asked how it would find that out.
"""

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from projector import Projector
from projector.envelope import CustomerKey
from projector.errors import CustomerNotFound, GroupNotFound, NothingConcerns
from projector.explain import Question, why
from projector.lookup import find_customers
from projector.projections import discover
from projector.query import NOW, Moment, find_customer
from projector.store import dead_letters, duplicates, log, members, quarantine, state, stored
from projector.store.engine import Database
from projector.store.members import SEGMENT, TIER
from projector.streams import find_events
from tests import given
from tests.store.items import at, envelope, put, rejected
from tests.store.plans import is_sorted, watched, whole_tables

_CUSTOMERS = [f"cust_{number}" for number in range(200)]


@pytest.fixture(scope="module")
def filled(shared_database: Database) -> Database:
    """A database with something in every table that a look-up goes to."""
    database = shared_database
    put(
        database,
        *(
            envelope(f"e{number}", customer_id=_CUSTOMERS[number % 200], minute=number)
            for number in range(1000)
        ),
        envelope("nobody", customer_id=None),
        *(rejected(b"%d" % number, reason=f"reason {number % 2}") for number in range(100)),
    )
    # Repetitions.
    put(
        database,
        *(
            envelope(f"e{number}", customer_id=_CUSTOMERS[number % 200], minute=number)
            for number in range(50)
        ),
    )
    given.happened(
        database,
        *(
            event
            for number, each in enumerate(_CUSTOMERS)
            for event in _in_groups(each, f"proj_{number % 2}", leaves=number % 4 == 0)
        ),
        # Dead letters.
        *(given.entered(each, None, at=_THEN.isoformat()) for each in _CUSTOMERS[:50]),
    )
    if not database.is_sqlite:
        # In time Postgres does so by itself; without it, it takes the tables for empty.
        with database.writing() as connection:
            connection.exec_driver_sql("ANALYZE")
    return database


_GROUPS: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]
_THEN = datetime(2024, 3, 1, tzinfo=UTC)


def _in_groups(customer_id: str, project_id: str, *, leaves: bool) -> list[given.Delivery]:
    """A customer enters segments and joins tiers, and may leave one of each."""
    more: dict[str, Any] = {"at": _THEN.isoformat(), "project_id": project_id}
    begins = [
        given.entered(customer_id, "seg_1", **more, id=f"{customer_id} enters"),
        given.joined(customer_id, "ltr_1", **more, id=f"{customer_id} joins"),
        *(
            event
            for n in range(2, 6)
            for event in (
                given.entered(customer_id, f"seg_{n}", **more),
                given.joined(customer_id, f"ltr_{n}", f"camp_{n}", **more),
            )
        ),
    ]
    ends = [
        given.left(customer_id, "seg_1", **more, id=f"{customer_id} left"),
        given.tier_left(customer_id, "ltr_1", **more, id=f"{customer_id} off"),
    ]
    return [*begins, *ends] if leaves else begins


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
        list(log.read_streams(connection, [3, 5, 7], until=10**6))


def _read_range(database: Database) -> None:
    with database.reading() as connection:
        list(log.read_stream_range(connection, after=3, last=8, until=10**6))


def _read_streamless(database: Database) -> None:
    with database.reading() as connection:
        list(log.read_streamless(connection, ["customer.updated"], until=10**6))


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


def _customer_then(database: Database) -> None:
    moments = (
        Moment(as_of=_THEN),
        Moment(at_position=500),
        Moment(as_of=_THEN, at_position=500),
    )
    for moment in moments:
        find_customer(database, "cust_7", project_id="proj_1", moment=moment)
        with suppress(CustomerNotFound):
            find_customer(database, "shop", by_source_id=True, moment=moment)


def _members_now(database: Database) -> None:
    """Pages of now: first ones and later ones, of all projects and of one."""
    for group in _GROUPS:
        for project_id in (None, "proj_1"):
            projector, after = Projector(database), None
            for _ in range(3):
                page = projector.members(**group, project_id=project_id, after=after, limit=7)
                after = page.next
                assert after is not None
            # Of one project, behind another one.
            first = projector.members(**group, project_id="proj_0", limit=7)
            projector.members(**group, project_id=project_id, after=first.next, limit=7)


def _members_then(database: Database) -> None:
    """Pages of then, in the same ways."""
    for group in _GROUPS:
        for project_id in (None, "proj_1"):
            asked: dict[str, Any] = {**group, "project_id": project_id, "as_of": _THEN}
            first = Projector(database).members(**asked, limit=7)
            assert first.next is not None
            Projector(database).members(**asked, after=first.next, limit=7)


def _is_known(database: Database) -> None:
    with database.reading() as connection:
        for kind, known in ((SEGMENT, "seg_1"), (TIER, "ltr_1")):
            assert members.is_known(connection, kind, known)
            assert not members.is_known(connection, kind, "nothing")


def _quarantine(database: Database) -> None:
    with database.reading() as connection:
        for resolved in (True, False):
            for after in (0, 50):
                assert quarantine.page(
                    connection, reason=None, resolved=resolved, after=after, limit=7
                )
                assert quarantine.page(
                    connection, reason="reason 1", resolved=resolved, after=after, limit=7
                )
        assert quarantine.find(connection, [3, 4])
        assert quarantine.bodies(connection, [3, 4])


def _dead_letters(database: Database) -> None:
    name = "segment_membership"
    with database.reading() as connection:
        first = dead_letters.page(connection, projection=name, after=None, limit=7)
        for projection in (None, name):
            after = (name, first[-1].position)
            assert dead_letters.page(connection, projection=projection, after=after, limit=7)
        assert dead_letters.at(connection, [each.position for each in first])
        stream_ids = [each.stream_id for each in first if each.stream_id is not None]
        assert dead_letters.of_streams(connection, name, stream_ids)
        assert dead_letters.concern(connection, [name], "proj_1", "cust_1")


def _stored(database: Database) -> None:
    with database.reading() as connection:
        for projection in discover():
            assert stored.of_streams(connection, projection, [*range(1, 9)])


def _many(database: Database) -> None:
    found = find_customers(database, [*_CUSTOMERS[:20], "nobody"])
    assert found.not_found == ("nobody",)
    assert len(found.customers) + len(found.ambiguous) == 20


def _events_of_a_customer(database: Database) -> None:
    page = find_events(database, "cust_7", project_id="proj_1", limit=2)
    assert page.next is not None
    assert find_events(database, "cust_7", project_id="proj_1", after=page.next, limit=2).events
    with database.reading() as connection:
        assert log.is_longer(connection, CustomerKey("proj_1", "cust_7"), 3)


def _last_of_types(database: Database) -> None:
    with database.reading() as connection:
        assert log.last_of_types(connection, after=500)


def _duplicates(database: Database) -> None:
    with database.reading() as connection:
        assert duplicates.find(connection, [3, 4])


@pytest.mark.parametrize(
    "job",
    [
        _append,
        _read,
        _read_streams,
        _read_range,
        _read_streamless,
        _find,
        _load,
        _customer,
        _why,
        _customer_then,
        _members_now,
        _members_then,
        _is_known,
        _quarantine,
        _dead_letters,
        _stored,
        _duplicates,
        _many,
        _events_of_a_customer,
        _last_of_types,
    ],
)
def test_no_look_up_goes_through_a_whole_table(filled: Database, job: Any) -> None:
    with watched(filled) as asked:
        job(filled)
    assert asked
    with filled.reading() as connection:
        plans = {each[0]: whole_tables(connection, *each) for each in asked}
    assert [statement for statement, whole in plans.items() if whole] == [], plans


@pytest.mark.parametrize(
    "job", [_read_streams, _read_range, _customer_then, _why, _events_of_a_customer]
)
def test_a_stream_is_read_by_its_index_alone(filled: Database, job: Any) -> None:
    """Postgres looked up all positions up to the bound too: nearly the whole log, each time."""
    with watched(filled) as asked:
        job(filled)
    about_streams = [each for each in asked if "stream_id" in each[0] and "body" in each[0]]
    assert about_streams
    with filled.reading() as connection:
        if not filled.is_sqlite:
            for setting in ("enable_seqscan", "enable_indexscan"):
                connection.exec_driver_sql(f"SET LOCAL {setting} = off")
        explain = "EXPLAIN QUERY PLAN" if filled.is_sqlite else "EXPLAIN"
        for statement, parameters in about_streams:
            plan = connection.exec_driver_sql(f"{explain} {statement}", parameters).all()
            assert not re.search("event_pkey|rowid<", str(plan)), plan


@pytest.mark.parametrize("job", [_members_now, _members_then])
def test_no_page_of_membersis_sorted(filled: Database, job: Any) -> None:
    """An index has them in their order: a page costs the same at any depth."""
    with watched(filled) as asked:
        job(filled)
    assert asked
    with filled.reading() as connection:
        assert [each[0] for each in asked if is_sorted(connection, *each)] == []


def test_sorting_is_noticed(filled: Database) -> None:
    with filled.reading() as connection:
        for statement, expected in (
            ("SELECT * FROM event ORDER BY body", True),
            ("SELECT * FROM event WHERE stream_id = 7 ORDER BY occurred_at", True),
            ("SELECT * FROM event ORDER BY position", False),
        ):
            assert is_sorted(connection, statement, ()) == expected


def test_going_through_a_whole_table_is_noticed(filled: Database) -> None:
    with filled.reading() as connection:
        for statement in (
            "SELECT * FROM event WHERE body = 'x'",
            "SELECT count(*) FROM event",
            "SELECT * FROM stream WHERE last_event_id = 'e7'",
            "SELECT * FROM event WHERE body = 'x' AND position <= 1000",
            "SELECT * FROM event WHERE body = 'x' AND project_id = 'proj_1'",
        ):
            assert whole_tables(connection, statement, ())
