"""What somebody changes by plain SQL is found and named."""

from contextlib import closing
from typing import Any

import pytest

from projector.projections import discover, named
from projector.store.database import Database
from replay import verify
from replay.comparison import Difference
from tests.support import tampering
from tests.support.databases import projection_tables
from tests.support.given import append_and_project, created
from tests.support.tampering import PROJECT, literal, merged, rows_of
from tests.support.verification import CUSTOMERS, differing, repaired, run

#: Its fixtures open databases.
pytestmark = pytest.mark.external

MONDAY = "2024-03-04T10:00:00Z"

every_table = pytest.mark.parametrize("name", projection_tables)


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


# What is in the tables.


@every_table
def test_a_wrong_value_in_any_cell_of_any_row_is_found_and_named(many: Database, name: str) -> None:
    tried = list(tampering.cases(many, name))
    assert run(many, *(each.sql for each in tried)) == len(tried)
    expected = merged(*(each.found for each in tried))
    found = verify(many, discover())
    assert differing(found) == expected
    assert (found.checked, found.differing) == (len(CUSTOMERS), len(expected))
    assert not found.is_right
    assert found.log == ()
    assert repaired(many)


@every_table
def test_a_row_that_is_gone_is_found(few: Database, name: str) -> None:
    table = projection_tables[name]
    row = rows_of(few, table)["cust_2"][-1]
    assert run(few, f"DELETE FROM {name} WHERE {tampering.key_of(table, row)}") == 1
    found = verify(few, discover())
    assert differing(found) == tampering.missing(table, row)
    assert (found.differing, found.is_right) == (1, False)
    assert repaired(few)


def insert(database: Database, name: str, row: dict[str, Any]) -> None:
    values = ", ".join(map(literal, row.values()))
    assert run(database, f"INSERT INTO {name} ({', '.join(row)}) VALUES ({values})") == 1


@every_table
def test_a_row_of_a_customer_who_should_have_none_is_found(few: Database, name: str) -> None:
    [row, *_] = rows_of(few, projection_tables[name])["cust_1"]
    known_without_rows, stranger = ({**row, "customer_id": each} for each in ("cust_3", "cust_4"))
    of_another_project = {**row, "project_id": "proj_2"}
    rows = [known_without_rows, stranger, of_another_project]
    for each in rows:
        insert(few, name, each)
    found = verify(few, discover())
    assert differing(found) == merged(
        *(tampering.surplus(projection_tables[name], each) for each in rows)
    )
    assert (found.checked, found.differing, found.is_right) == (3, 3, False)


# Of the table `customer` nobody has more than one row.
@pytest.mark.parametrize("name", [name for name in projection_tables if name != "customer"])
def test_a_surplus_row_of_a_customer_with_rows_is_found(few: Database, name: str) -> None:
    [row, *_] = rows_of(few, projection_tables[name])["cust_1"]
    key = [*projection_tables[name].primary_key][-1].name
    another = {**row, key: 99 if key == "period" else "99"}
    insert(few, name, another)
    found = verify(few, discover())
    assert differing(found) == tampering.surplus(projection_tables[name], another)
    assert (found.differing, found.is_right) == (1, False)


def test_a_row_that_was_moved_to_another_customer_is_found_at_both(few: Database) -> None:
    table = projection_tables["customer"]
    row = rows_of(few, table)["cust_1"][0]
    assert run(few, "UPDATE customer SET customer_id = 'cust_3' WHERE customer_id = 'cust_1'") == 1
    moved = {**row, "customer_id": "cust_3"}
    assert differing(verify(few, discover())) == merged(
        tampering.missing(table, row), tampering.surplus(table, moved)
    )


def test_text_that_is_not_utf_8_is_no_text_that_looks_like_it(migrated_sqlite_url: str) -> None:
    """Postgres keeps no such text."""
    with closing(Database(migrated_sqlite_url)) as database:
        append_and_project(database, created("cust_1", at=MONDAY, name="a\\xff"))
        assert verify(database, discover()).is_right
        run(database, "UPDATE customer SET name = CAST(x'61ff' AS TEXT)")
        [[cell]] = differing(verify(database, discover())).values()
    assert (cell.column, cell.expected, cell.found) == ("name", "a\\xff", b"a\xff")


def test_one_changed_row_names_only_its_customer(many: Database) -> None:
    run(many, "UPDATE loyalty_tier SET gaps = 5 WHERE customer_id = 'cust_100' AND gaps = 0")
    found = verify(many, discover())
    assert [each.customer_id for each in found.customers] == ["cust_100"]
    assert {each.column for each in found.customers[0].differences} == {"gaps"}
    assert (found.checked, found.differing) == (len(CUSTOMERS), 1)
    # What was kept of the rows and what they should be are as before.
    assert {each.digest == each.recomputed for each in found.projections} == {True}
    assert repaired(many)


def test_a_customer_who_differs_in_several_tables_is_one(few: Database) -> None:
    for name in projection_tables:
        run(few, f"DELETE FROM {name} WHERE customer_id = 'cust_1'")
        run(few, f"UPDATE {name} SET project_id = 'another' WHERE customer_id = 'cust_2'")
    found = verify(few, discover())
    assert found.differing == 3
    assert [(each.project_id, each.customer_id) for each in found.customers] == [
        (PROJECT, "cust_1"),
        (PROJECT, "cust_2"),
        ("another", "cust_2"),
    ]
    assert [{cell.projection for cell in each.differences} for each in found.customers] == [
        set(projection_tables)
    ] * 3


def test_very_many_differing_customers_are_all_counted_and_a_thousand_named(
    database: Database,
) -> None:
    append_and_project(
        database, *(created(f"cust_{number:04}", at=MONDAY) for number in range(1105))
    )
    run(database, "UPDATE customer SET customer_id = 'x' || customer_id WHERE event_count = 1")
    found = verify(database, named(["customer"]))
    assert (found.checked, found.differing) == (1105, 2 * 1105)
    assert [each.customer_id for each in found.customers] == [f"cust_{n:04}" for n in range(1000)]
    # What the log folds to is added up from several pieces.
    assert [each.recomputed for each in found.projections] == [found.projections[0].digest]


# The dead letters.


def letter(position: int, *, found: bool) -> Difference:
    """What is told of the dead letter at a position that is there or not."""
    return Difference(
        projection="segment_membership",
        key={"position": position},
        column="dead_letter",
        expected=not found,
        found=found,
    )


def test_a_dead_letter_that_is_gone_is_found(few: Database) -> None:
    run(few, "DELETE FROM dead_letter WHERE projection = 'segment_membership' AND position = 10")
    found = verify(few, discover())
    assert differing(found) == {(PROJECT, "cust_1"): [letter(10, found=False)]}
    assert not found.is_right
    assert repaired(few)


@pytest.mark.parametrize(("position", "stream_id"), [(3, 1), (19, 2), (20, 3)])
def test_a_dead_letter_too_many_is_found(few: Database, position: int, stream_id: int) -> None:
    run(few, f"INSERT INTO dead_letter VALUES ('segment_membership', {position}, {stream_id}, '')")
    found = verify(few, discover())
    customer = PROJECT, f"cust_{stream_id}"
    assert differing(found) == {customer: [letter(position, found=True)]}
    assert found.log == ()


def test_a_dead_letter_at_a_wrong_position_is_found(few: Database) -> None:
    run(
        few,
        "UPDATE dead_letter SET position = 2 WHERE projection = 'segment_membership'"
        " AND position = 10",
    )
    wrong = [letter(2, found=True), letter(10, found=False)]
    assert differing(verify(few, discover())) == {(PROJECT, "cust_1"): sorted(wrong, key=repr)}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE dead_letter SET stream_id = 2"
        " WHERE projection = 'segment_membership' AND position = 10",
        "UPDATE dead_letter SET stream_id = 99"
        " WHERE projection = 'segment_membership' AND position = 10",
        "UPDATE dead_letter SET stream_id = NULL"
        " WHERE projection = 'segment_membership' AND position = 10",
        "INSERT INTO dead_letter VALUES ('customer', 2, 99, '')",
        "INSERT INTO dead_letter VALUES ('customer', 2, NULL, '')",
        "INSERT INTO dead_letter VALUES ('customer', 2, 2, '')",
    ],
)
def test_a_dead_letter_in_a_stream_that_is_not_its_events_is_found(
    few: Database, change: str
) -> None:
    assert run(few, change) == 1
    found = verify(few, discover())
    assert not found.is_right
    assert "Rows of dead_letter without an event: 1." in found.log


@pytest.mark.parametrize(
    ("change", "position", "state"),
    [
        (
            "DELETE FROM dead_letter WHERE projection = 'customer' AND stream_id IS NULL",
            21,
            "is missing",
        ),
        ("UPDATE dead_letter SET stream_id = 1 WHERE stream_id IS NULL", 21, "is missing"),
        (
            "INSERT INTO dead_letter VALUES ('customer', 20, NULL, '')",
            20,
            "should not exist",
        ),
    ],
)
def test_a_wrong_dead_letter_that_names_no_customer_is_found(
    few: Database, change: str, position: int, state: str
) -> None:
    run(few, change)
    found = verify(few, discover())
    assert (
        f"The dead letter of projection customer at position {position}, "
        f"an event without a customer, {state}."
    ) in found.log
    assert not found.is_right
    assert repaired(few)


# The checkpoints.


@pytest.mark.parametrize("name", projection_tables)
def test_a_digest_that_is_not_that_of_the_rows_is_found(few: Database, name: str) -> None:
    run(few, f"UPDATE checkpoint SET digest = '{'0' * 31}1' WHERE projection = '{name}'")
    found = verify(few, discover())
    assert (found.differing, found.log, found.is_right) == (0, (), False)
    assert [each.name for each in found.projections if each.digest != each.recomputed] == [name]
    assert repaired(few)


@pytest.mark.parametrize("name", projection_tables)
def test_a_checkpoint_that_went_back_is_found(few: Database, name: str) -> None:
    run(few, f"UPDATE checkpoint SET position = 1 WHERE projection = '{name}'")
    found = verify(few, discover())
    assert {cell.projection for each in found.customers for cell in each.differences} == {name}
    assert {each.customer_id for each in found.customers} >= {"cust_1", "cust_2"}
    assert [each.position for each in found.projections if each.name == name] == [1]
    assert repaired(few)


@pytest.mark.parametrize("position", [-1, 22, 2**62])
@pytest.mark.parametrize("sample", [None, 1])
def test_a_checkpoint_outside_the_log_is_found(
    few: Database, position: int, sample: int | None
) -> None:
    """What will be in the log at these positions would never be folded."""
    run(few, f"UPDATE checkpoint SET position = {position} WHERE projection = 'loyalty_tier'")
    found = verify(few, discover(), sample=sample)
    assert f"The checkpoint of loyalty_tier is at {position}, the head at 21." in found.log
    assert not found.is_right
    assert repaired(few)


def test_a_checkpoint_that_is_gone_is_found(few: Database) -> None:
    run(few, "DELETE FROM checkpoint WHERE projection = 'customer'")
    found = verify(few, discover())
    assert found.differing == 2
    assert (found.projections[0].position, found.projections[0].digest) == (0, "0" * 32)
