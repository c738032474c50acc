"""What somebody changes by plain SQL is found and named, and what is right is found to be right."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from projector.dead_letters import retry_letters
from projector.errors import ProjectionUnknown
from projector.fold import Projection
from projector.projections import discover, named
from projector.runner import catch_up, project_batch
from projector.store.append import append
from projector.store.engine import Database
from projector.store.tables import state
from replay import Verified, rebuild, verify
from replay.comparison import Difference
from replay.engines import ENGINES
from tests import tampering
from tests.databases import letters, migrated, opened, unguarded, wipe
from tests.given import RECEIVED_AT, Delivery, created, delivery, entered, envelope, left
from tests.histories import Arrival, arrivals, histories
from tests.oracle import FUSSY
from tests.tampering import PROJECT, Found, life, literal, merged, rowless, rows_of

MONDAY, TUESDAY, WEDNESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6))

#: Enough for a case each.
CUSTOMERS = [f"cust_{number:03}" for number in range(420)]

every_table = pytest.mark.parametrize("name", state)

UNREADABLE = entered("cust_1", {"name": "of no id"}, at=TUESDAY, id="bad")
OF_NOBODY = delivery("customer.segment.left", None, at=TUESDAY, id="of nobody", segment={"id": "s"})


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """Customers who all had the same life, for the tests that put right what they change."""
    with opened(request, tmp_path_factory) as database:
        arrive(database, *(each for customer_id in CUSTOMERS for each in life(customer_id)))
        yield database


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def reused(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with opened(request, tmp_path_factory) as database:
        yield database


@pytest.fixture
def database(reused: Database) -> Database:
    """An empty database."""
    wipe(reused)
    return reused


@pytest.fixture
def few(database: Database) -> Database:
    """Two customers and one of whom no table knows, dead letters, and an event of nobody."""
    arrive(database, *life("cust_1"), UNREADABLE, *life("cust_2"), rowless("cust_3"), OF_NOBODY)
    return database


def arrive(database: Database, *webhooks: Delivery) -> None:
    append(database, [envelope(each) for each in webhooks], received_at=RECEIVED_AT)
    catch_up(database, discover())


def run(database: Database, *statements: str) -> int:
    """Run plain SQL, whatever guards the log; returns how many rows it changed."""
    with database.writing() as connection, unguarded(connection):
        return sum(connection.exec_driver_sql(each).rowcount for each in statements)


def differing(found: Verified) -> Found:
    """The differences by customer."""
    return {
        (each.project_id, each.customer_id): sorted(each.differences, key=repr)
        for each in found.customers
    }


def repaired(database: Database) -> bool:
    """Whether a rebuild puts everything right."""
    rebuild(database, discover(), ENGINES["in-process"])
    return verify(database, discover()).is_right


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
    table = state[name]
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
def test_a_row_of_somebody_who_should_have_none_is_found(few: Database, name: str) -> None:
    [row, *_] = rows_of(few, state[name])["cust_1"]
    known_without_rows, stranger = ({**row, "customer_id": each} for each in ("cust_3", "cust_4"))
    of_another_project = {**row, "project_id": "proj_2"}
    rows = [known_without_rows, stranger, of_another_project]
    for each in rows:
        insert(few, name, each)
    found = verify(few, discover())
    assert differing(found) == merged(*(tampering.surplus(state[name], each) for each in rows))
    assert (found.checked, found.differing, found.is_right) == (3, 3, False)


# Of the table `customer` nobody has more than one row.
@pytest.mark.parametrize("name", [name for name in state if name != "customer"])
def test_a_row_too_many_of_somebody_who_has_some_is_found(few: Database, name: str) -> None:
    [row, *_] = rows_of(few, state[name])["cust_1"]
    key = [*state[name].primary_key][-1].name
    another = {**row, key: 99 if key == "stint" else "99"}
    insert(few, name, another)
    found = verify(few, discover())
    assert differing(found) == tampering.surplus(state[name], another)
    assert (found.differing, found.is_right) == (1, False)


def test_a_row_that_was_moved_to_another_customer_is_found_at_both(few: Database) -> None:
    table = state["customer"]
    row = rows_of(few, table)["cust_1"][0]
    assert run(few, "UPDATE customer SET customer_id = 'cust_3' WHERE customer_id = 'cust_1'") == 1
    moved = {**row, "customer_id": "cust_3"}
    assert differing(verify(few, discover())) == merged(
        tampering.missing(table, row), tampering.surplus(table, moved)
    )


def test_text_that_is_not_utf_8_is_no_text_that_looks_like_it(sqlite_url: str) -> None:
    """Postgres keeps no such text."""
    with migrated(sqlite_url) as database:
        arrive(database, created("cust_1", at=MONDAY, name="a\\xff"))
        assert verify(database, discover()).is_right
        run(database, "UPDATE customer SET name = CAST(x'61ff' AS TEXT)")
        [[cell]] = differing(verify(database, discover())).values()
    assert (cell.column, cell.expected, cell.found) == ("name", "a\\xff", b"a\xff")


def test_of_one_changed_row_only_its_customer_is_named(many: Database) -> None:
    run(many, "UPDATE loyalty_tier SET gaps = 5 WHERE customer_id = 'cust_100' AND gaps = 0")
    found = verify(many, discover())
    assert [each.customer_id for each in found.customers] == ["cust_100"]
    assert {each.column for each in found.customers[0].differences} == {"gaps"}
    assert (found.checked, found.differing) == (len(CUSTOMERS), 1)
    # What was kept of the rows and what they should be are as before.
    assert {each.digest == each.recomputed for each in found.projections} == {True}
    assert repaired(many)


def test_a_customer_who_differs_in_several_tables_is_one(few: Database) -> None:
    for name in state:
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
        set(state)
    ] * 3


def test_of_very_many_who_differ_all_are_counted_and_a_thousand_are_named(
    database: Database,
) -> None:
    arrive(database, *(created(f"cust_{number:04}", at=MONDAY) for number in range(1105)))
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
        "UPDATE dead_letter SET stream_id = 2 WHERE projection = 'customer' AND position = 10",
        "UPDATE dead_letter SET stream_id = 99 WHERE projection = 'customer' AND position = 10",
        "UPDATE dead_letter SET stream_id = NULL WHERE projection = 'customer' AND position = 10",
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
    assert "Rows of dead_letter that belong to no event: 1." in found.log


@pytest.mark.parametrize(
    ("change", "position"),
    [
        ("DELETE FROM dead_letter WHERE projection = 'customer' AND stream_id IS NULL", 21),
        ("UPDATE dead_letter SET stream_id = 1 WHERE stream_id IS NULL", 21),
        ("INSERT INTO dead_letter VALUES ('customer', 20, NULL, '')", 20),
    ],
)
def test_a_wrong_dead_letter_that_names_no_customer_is_found(
    few: Database, change: str, position: int
) -> None:
    run(few, change)
    found = verify(few, discover())
    assert (
        f"customer is wrong about position {position}, which names no customer, as a dead letter."
    ) in found.log
    assert not found.is_right
    assert repaired(few)


# The checkpoints.


@pytest.mark.parametrize("name", state)
def test_a_digest_that_is_not_that_of_the_rows_is_found(few: Database, name: str) -> None:
    run(few, f"UPDATE checkpoint SET digest = '{'0' * 31}1' WHERE projection = '{name}'")
    found = verify(few, discover())
    assert (found.differing, found.log, found.is_right) == (0, (), False)
    assert [each.name for each in found.projections if each.digest != each.recomputed] == [name]
    assert repaired(few)


@pytest.mark.parametrize("name", state)
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


# What is right.


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_any(
    projections=st.sampled_from([list(discover()), FUSSY]),
    coming=histories().flatmap(arrivals),
)
def test_whatever_arrived_in_whatever_order_is_right_at_every_step(
    database: Database, projections: list[Projection], coming: Sequence[Arrival]
) -> None:
    wipe(database)
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        for step in arrival.steps:
            for _ in range(step.batches):
                some = [each for each in projections if each.name in step.names]
                project_batch(database, some, batch_events_max=step.batch_events_max)
        found = verify(database, projections)
        assert found.is_right, found
    catch_up(database, projections)
    found = verify(database, projections)
    assert found.is_right, found


def test_an_empty_database_is_right(database: Database) -> None:
    found = verify(database, discover())
    assert found.is_right
    assert (found.checked, found.differing, found.customers, found.log) == (0, 0, (), ())
    assert {(each.position, each.digest, each.recomputed) for each in found.projections} == {
        (0, "0" * 32, "0" * 32)
    }


def test_tables_that_are_behind_are_right_where_they_are(database: Database) -> None:
    coming = [*life("cust_1"), OF_NOBODY]
    append(database, [envelope(each) for each in coming], received_at=RECEIVED_AT)
    for lag, projection in enumerate(discover()):
        project_batch(database, [projection], batch_events_max=9 - lag)
    found = verify(database, discover())
    assert found.is_right
    assert [each.position for each in found.projections] == [9, 8, 7, 6, 5]
    run(database, "UPDATE checkpoint SET position = 9")
    assert not verify(database, discover()).is_right


def test_dead_letters_and_what_became_of_them_are_right(database: Database) -> None:
    for each in (
        left("cust_1", "seg_1", at=WEDNESDAY, id="refused"),
        UNREADABLE,
        OF_NOBODY,
        entered("cust_1", "seg_2", at=TUESDAY),
        entered("cust_1", "seg_1", at=MONDAY, id="late"),
    ):
        append(database, [envelope(each)], received_at=RECEIVED_AT)
        catch_up(database, FUSSY)
        assert verify(database, FUSSY).is_right
    before = letters(database)
    assert not verify(database, discover()).is_right
    retry_letters(database, discover())
    assert letters(database) != before
    assert verify(database, discover()).is_right


# What is looked at.


@pytest.mark.parametrize("size", [1, 7, len(CUSTOMERS), 2 * len(CUSTOMERS)])
def test_a_sample_looks_at_so_many_customers(many: Database, size: int) -> None:
    seen: list[tuple[int, int]] = []
    found = verify(many, discover(), sample=size, on_piece=lambda *done: seen.append(done))
    assert found.is_right
    assert found.checked == min(size, len(CUSTOMERS))
    assert {each.recomputed for each in found.projections} == {None}
    assert seen == [(found.checked, found.checked)]


def test_a_sample_is_another_one_each_time(many: Database) -> None:
    run(many, "UPDATE customer SET name = 'another'")
    found = [verify(many, named(["customer"]), sample=5) for _ in range(3)]
    assert [each.differing for each in found] == [5] * 3
    assert len({tuple(customer.customer_id for customer in each.customers) for each in found}) > 1
    assert repaired(many)


def test_a_sample_of_all_finds_the_one_who_differs(few: Database) -> None:
    run(few, "UPDATE customer SET name = 'another' WHERE customer_id = 'cust_2'")
    found = verify(few, discover(), sample=3)
    assert [each.customer_id for each in found.customers] == ["cust_2"]
    assert (found.checked, found.differing, found.is_right) == (3, 1, False)


def test_a_sample_leaves_out_what_only_the_whole_can_tell(few: Database) -> None:
    run(
        few,
        "UPDATE checkpoint SET digest = 'wrong'",
        "UPDATE log_head SET stream_id = 1000000000000",
        "INSERT INTO duplicate VALUES (99, 1, '2024-01-01T00:00:00.000000Z')",
    )
    found = verify(few, discover(), sample=3)
    assert (found.checked, found.is_right) == (3, True)
    assert not verify(few, discover()).is_right


def test_an_empty_database_has_nothing_to_sample(database: Database) -> None:
    found = verify(database, discover(), sample=3)
    assert (found.checked, found.is_right) == (0, True)


def test_only_the_named_projections_are_compared(few: Database) -> None:
    run(few, "UPDATE customer SET name = 'another'", "DELETE FROM loyalty_tier")
    assert verify(few, named(["segment_membership", "loyalty_tier_history"])).is_right
    found = verify(few, named(["loyalty_tier"]))
    assert {cell.projection for each in found.customers for cell in each.differences} == {
        "loyalty_tier"
    }
    assert [each.name for each in found.projections] == ["loyalty_tier"]


def test_a_projection_that_is_named_twice_is_compared_once(few: Database) -> None:
    run(few, "UPDATE customer SET name = 'another' WHERE customer_id = 'cust_1'")
    found = verify(few, named(["customer", "customer"]))
    assert [len(each.differences) for each in found.customers] == [1]
    with pytest.raises(ProjectionUnknown):
        named(["customer", "customers"])


def test_it_is_told_how_far_it_is(many: Database) -> None:
    seen: list[tuple[int, int]] = []
    verify(many, named(["customer"]), on_piece=lambda *done: seen.append(done))
    assert seen == [(len(CUSTOMERS), len(CUSTOMERS))]
