"""The log is guarded; what somebody does to it who takes the guards away is found and named."""

from collections.abc import Callable
from typing import Any

import pytest

from projector.projections import discover, named
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database
from replay import VerifyReport, verify
from tests.support.databases import unguarded, wipe
from tests.support.given import RECEIVED_AT, created, delivery, entered, envelope, left, updated
from tests.support.tampering import rowless

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))

#: By their positions; the one at 3 is late.
HAPPENED = [
    created("cust_1", at=MONDAY, id="e1"),
    left("cust_1", "seg_1", at=WEDNESDAY, id="e2"),
    entered("cust_1", "seg_1", at=TUESDAY, id="e3"),
    created("cust_2", at=MONDAY, id="e4"),
    rowless("cust_3"),
    delivery("voucher.created", None, at=MONDAY, id="e6"),
    updated("cust_2", at=THURSDAY, id="e7"),
]


@pytest.fixture
def database(wiped_database: Database) -> Database:
    """The log of what happened, and the tables at its head."""
    append(wiped_database, [envelope(each) for each in HAPPENED], received_at=RECEIVED_AT)
    append(wiped_database, [envelope(HAPPENED[0])], received_at=RECEIVED_AT)
    catch_up(wiped_database, discover())
    return wiped_database


@pytest.fixture
def after(database: Database) -> Callable[..., VerifyReport]:
    """What is found after somebody has run plain SQL without the guards."""

    def after(*statements: str) -> VerifyReport:
        with database.writing() as connection, unguarded(connection):
            assert all(connection.exec_driver_sql(each).rowcount for each in statements)
        return verify(database, discover())

    return after


def test_the_audit_finds_nothing_in_an_unchanged_log(database: Database) -> None:
    found = verify(database, discover())
    assert found.is_right, found


def test_a_hole_is_found(after: Any) -> None:
    found = after("DELETE FROM event WHERE position = 6")
    assert found.log == (
        "The log head says that positions go from 1 to 7, but the log has 6, from 1 to 7.",
    )
    assert (found.differing, found.is_right) == (0, False)


def test_an_event_that_was_moved_to_another_position_is_found(after: Any) -> None:
    found = after("UPDATE event SET position = 0 WHERE position = 6")
    assert found.log == (
        "The log head says that positions go from 1 to 7, but the log has 7, from 0 to 7.",
    )


@pytest.mark.parametrize(
    ("head", "told"),
    [
        ("position = 6", "positions go from 1 to 6, but the log has 7, from 1 to 7."),
        ("position = 8", "positions go from 1 to 8, but the log has 7, from 1 to 7."),
        ("position = 0", "positions go from 1 to 0, but the log has 7, from 1 to 7."),
        ("stream_id = 2", "stream ids go from 1 to 2, but the log has 3, from 1 to 3."),
        ("stream_id = 4", "stream ids go from 1 to 4, but the log has 3, from 1 to 3."),
        # Nobody goes through so many.
        (
            "stream_id = 9000000000000000000",
            "stream ids go from 1 to 9000000000000000000, but the log has 3, from 1 to 3.",
        ),
    ],
)
def test_a_head_that_says_too_much_or_too_little_is_found(after: Any, head: str, told: str) -> None:
    found = after(f"UPDATE log_head SET {head}")
    assert f"The log head says that {told}" in found.log
    assert not found.is_right
    assert found.checked == 3


def test_an_empty_log_of_which_the_head_says_something_is_found(
    wiped_database: Database,
) -> None:
    wipe(wiped_database)
    with wiped_database.writing() as connection:
        connection.exec_driver_sql("UPDATE log_head SET position = 1, stream_id = 1")
    assert verify(wiped_database, discover()).log == (
        "The log head says that positions go from 1 to 1, but the log has 0, from 0 to 0.",
        "The log head says that stream ids go from 1 to 1, but the log has 0, from 0 to 0.",
    )


@pytest.mark.parametrize(
    ("position", "late"), [(1, True), (2, True), (3, False), (4, True), (5, True), (7, True)]
)
def test_a_wrong_late_flag_is_found(after: Any, position: int, late: bool) -> None:
    found = after(f"UPDATE event SET late = {late} WHERE position = {position}")
    assert found.log == (f"The event at position {position} has a wrong late flag.",)
    assert (found.differing, found.is_right) == (0, False)


def test_every_wrong_late_flag_is_found(after: Any) -> None:
    found = after("UPDATE event SET late = NOT late")
    assert set(found.log) == {
        *(f"The event at position {n} has a wrong late flag." for n in (1, 2, 3, 4, 5, 7)),
        "Events without a customer that are marked late: 1.",
    }


def test_an_event_without_a_customer_that_is_marked_late_is_found(after: Any) -> None:
    found = after("UPDATE event SET late = true WHERE position = 6")
    assert found.log == ("Events without a customer that are marked late: 1.",)
    assert not found.is_right


@pytest.mark.parametrize(
    "change",
    [
        "last_event_id = 'e'",
        "last_event_id = 'e3'",
        "last_event_id = 'e9'",
        "last_occurred_at = '2024-03-06T10:00:00.000001Z'",
        "last_occurred_at = '2024-03-05T10:00:00.000000Z'",
        "last_occurred_at = '2030-01-01T00:00:00.000000Z'",
    ],
)
def test_a_stream_with_a_wrong_greatest_key_is_found(after: Any, change: str) -> None:
    """An event would be called late, or not, by it."""
    found = after(f"UPDATE stream SET {change} WHERE stream_id = 1")
    assert found.log == (
        "The greatest key of stream 1 is that of position 2, but the stream row has another.",
    )
    assert (found.differing, found.is_right) == (0, False)


def test_a_greatest_key_that_only_one_of_the_databases_takes_is_found(
    after: Any, database: Database
) -> None:
    only_sqlite = (
        "last_occurred_at = 'x'",
        "last_occurred_at = '2024-03-06 10:00:00+00:00'",
        "last_event_id = CAST(x'ff' AS TEXT)",
    )
    only_postgres = (
        "last_occurred_at = 'infinity'",
        "last_occurred_at = '0044-03-15 12:00:00 BC'",
    )
    for change in only_sqlite if database.is_sqlite else only_postgres:
        found = after(f"UPDATE stream SET {change} WHERE stream_id = 1")
        assert found.log == (
            "The greatest key of stream 1 is that of position 2, but the stream row has another.",
        )


def test_the_greatest_key_is_looked_at_where_a_stream_ends_and_the_next_begins(after: Any) -> None:
    found = after(
        "UPDATE stream SET last_event_id = 'e1' WHERE stream_id = 1",
        "UPDATE stream SET last_event_id = 'e4' WHERE stream_id = 2",
        "UPDATE stream SET last_event_id = 'e5' WHERE stream_id = 3",
    )
    assert [sentence.partition(" is that")[0] for sentence in found.log] == [
        f"The greatest key of stream {number}" for number in (1, 2, 3)
    ]


def test_a_stream_without_events_is_found(after: Any) -> None:
    found = after(
        "INSERT INTO stream VALUES (4, 'proj_1', 'cust_4', '2024-01-01T00:00:00.000000Z', 'e')",
        "UPDATE log_head SET stream_id = 4",
    )
    assert found.log == ("Stream 4 has no events.",)
    assert (found.checked, found.is_right) == (4, False)


@pytest.mark.parametrize("stream_id", [4, 99, 2**62, 0, -1])
def test_an_event_whose_stream_is_not_there_is_found(after: Any, stream_id: int) -> None:
    found = after(f"UPDATE event SET stream_id = {stream_id} WHERE position = 5")
    assert found.log == (
        f"The event at position 5 is in stream {stream_id}, which does not exist.",
        "Stream 3 has no events.",
    )
    assert (found.differing, found.is_right) == (0, False)


def test_a_stream_that_is_gone_is_found_and_so_are_its_customers_rows(after: Any) -> None:
    found = after("DELETE FROM stream WHERE stream_id = 2")
    assert found.log == (
        "The log head says that stream ids go from 1 to 3, but the log has 2, from 1 to 3.",
        "The event at position 4 is in stream 2, which does not exist.",
        "The event at position 7 is in stream 2, which does not exist.",
    )
    assert [each.customer_id for each in found.customers] == ["cust_2"]


def test_a_stream_with_an_id_never_assigned_is_compared_too(after: Any) -> None:
    found = after(
        "UPDATE stream SET stream_id = -7 WHERE stream_id = 2",
        "UPDATE event SET stream_id = -7 WHERE stream_id = 2",
        "UPDATE customer SET name = 'another' WHERE customer_id = 'cust_2'",
    )
    assert found.log == (
        "The log head says that stream ids go from 1 to 3, but the log has 3, from -7 to 3.",
    )
    assert (found.checked, [each.customer_id for each in found.customers]) == (3, ["cust_2"])


def test_a_stream_of_another_customer_is_found_by_the_rows(after: Any) -> None:
    found = after("UPDATE stream SET customer_id = 'another' WHERE stream_id = 2")
    assert {each.customer_id for each in found.customers} == {"cust_2", "another"}


def test_a_fact_that_was_changed_is_found_by_the_rows(after: Any) -> None:
    found = after("UPDATE event SET body = replace(body, 'seg_1', 'seg_9') WHERE position = 3")
    assert [each.customer_id for each in found.customers] == ["cust_1"]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("duplicate", "(99, 1, '2024-01-01T00:00:00.000000Z')"),
        ("duplicate", "(0, 1, '2024-01-01T00:00:00.000000Z')"),
        ("dead_letter", "('customer', 99, NULL, 'why')"),
        ("dead_letter", "('nobody knows it', 99, NULL, 'why')"),
        ("dead_letter", "('customer', 99, 99, 'why')"),
    ],
)
def test_a_row_that_refers_to_a_missing_event_is_found(after: Any, table: str, row: str) -> None:
    found = after(f"INSERT INTO {table} VALUES {row}")
    assert f"Rows of {table} without an event: 1." in found.log
    assert not found.is_right


def test_several_orphans_are_counted(after: Any) -> None:
    found = after(
        "UPDATE duplicate SET position = position + 90",
        "INSERT INTO duplicate VALUES (98, 1, '2024-01-01T00:00:00.000000Z')",
        "INSERT INTO dead_letter VALUES ('customer', 97, 1, 'why')",
    )
    assert set(found.log) == {
        "Rows of duplicate without an event: 2.",
        "Rows of dead_letter without an event: 1.",
    }


def test_the_log_is_looked_at_once_wherever_the_projections_stand(
    after: Any, database: Database
) -> None:
    wipe(database)
    append(database, [envelope(each) for each in HAPPENED], received_at=RECEIVED_AT)
    catch_up(database, named(["customer", "loyalty_tier"]))
    found = after("UPDATE event SET late = true WHERE position = 2")
    assert {each.position for each in found.projections} == {0, 7}
    assert found.log == ("The event at position 2 has a wrong late flag.",)


def test_a_thousand_of_very_many_faults_are_named(wiped_database: Database) -> None:
    wipe(wiped_database)
    many = [envelope(created(f"cust_{number}", at=MONDAY)) for number in range(1105)]
    append(wiped_database, many, received_at=RECEIVED_AT)
    with wiped_database.writing() as connection, unguarded(connection):
        connection.exec_driver_sql("UPDATE event SET late = true")
        connection.exec_driver_sql("UPDATE log_head SET position = 1104")
    found = verify(wiped_database, named(["customer"]))
    assert len(found.log) == 1000
    assert found.log[0].startswith("The log head says")
    assert found.checked == 1105
