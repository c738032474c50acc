"""What is right is found to be right; a sample, and projections by name."""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from hypothesis import strategies as st

from projector.errors import ProjectionUnknown
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import discover, named
from projector.projections.projection import Projection
from projector.runner.runner import catch_up, project_batch
from projector.store.append import append
from projector.store.database import Database
from replay import verify
from tests.support.databases import dead_letters, wipe
from tests.support.given import RECEIVED_AT, entered, envelope, left
from tests.support.histories import Arrival, arrivals, histories
from tests.support.oracle import FUSSY
from tests.support.tampering import life
from tests.support.verification import CUSTOMERS, OF_NOBODY, UNREADABLE, repaired, run

#: Its fixtures open databases.
pytestmark = pytest.mark.external

MONDAY, TUESDAY, WEDNESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6))


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


@settings(
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@for_any(
    projections=st.sampled_from([list(discover()), FUSSY]),
    coming=histories().flatmap(arrivals),
)
def test_verify_finds_nothing_after_any_history_in_any_order(
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
    before = dead_letters(database)
    assert not verify(database, discover()).is_right
    retry_dead_letters(database, discover())
    assert dead_letters(database) != before
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


def test_verify_reports_its_progress(many: Database) -> None:
    seen: list[tuple[int, int]] = []
    verify(many, named(["customer"]), on_piece=lambda *done: seen.append(done))
    assert seen == [(len(CUSTOMERS), len(CUSTOMERS))]
