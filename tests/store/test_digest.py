"""The digest: equal rows, equal digests, however they came to be, on whatever database."""

import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import given as for_any
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import select

from projector.envelope import CanonicalKey, CustomerKey
from projector.facts.events import CustomerCreated, SegmentLeft
from projector.operate.dead_letters import retry_dead_letters
from projector.projections import customer, discover, named, segment_membership
from projector.projections.projection import Projection
from projector.queries.status import read_status
from projector.runner.runner import catch_up, project_batch
from projector.store import digest
from projector.store.append import append
from projector.store.database import Database
from projector.store.table_rows import Difference, difference
from replay import rebuild, verify
from replay.engines import ENGINES
from tests.support.databases import positions, projection_tables, wipe
from tests.support.given import RECEIVED_AT, Delivery, created, entered, envelope, left, updated
from tests.support.histories import Arrival, arrivals, histories
from tests.support.oracle import FUSSY

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]

#: A row with a value of every kind.
ROW = (
    "proj_1",
    "cust_é",
    None,
    True,
    -7,
    datetime(2024, 3, 1, 10, tzinfo=UTC),
    datetime(1, 1, 2, 0, 0, 0, 1, tzinfo=UTC),
    date(2025, 6, 30),
    '{"a":"\\"\n"}',
)


def _gone(state: Any, fact: SegmentLeft, _key: CanonicalKey) -> Any:
    return {segment: row for segment, row in state.items() if segment != fact.segment.id}


def _told(state: Any, fact: CustomerCreated, key: CanonicalKey) -> Any:
    """As the sender writes it, in the sender's time zone."""
    row = customer.created(state, fact, key)
    assert row is not None
    told = fact.customer and fact.customer.created_at
    assert isinstance(told, datetime)
    return replace(row, created_at=told)


#: Whoever leaves a segment has no row there any more.
FORGETFUL: list[Projection] = [
    evolve(
        segment_membership.PROJECTION,
        evolvers={**segment_membership.PROJECTION.evolvers, SegmentLeft: _gone},
    )
]
#: Instants in any time zone.
ZONED: list[Projection] = [
    evolve(customer.PROJECTION, evolvers={**customer.PROJECTION.evolvers, CustomerCreated: _told})
]


def digests(database: Database) -> dict[str, str]:
    """As the status tells them."""
    return {each.name: each.digest for each in read_status(database, discover()).projections}


def of_tables(database: Database, projections: Sequence[Projection]) -> dict[str, str]:
    """Computed from the rows as they are read."""
    with database.reading() as connection:
        return {
            each.name: digest.apply(
                digest.EMPTY,
                digest.of(
                    tuple(row) for row in connection.execute(select(projection_tables[each.name]))
                ),
            )
            for each in projections
        }


def arrive(database: Database, projections: Sequence[Projection], *webhooks: Delivery) -> None:
    """Each event is projected before the next one comes, and the digest is right each time."""
    for each in webhooks:
        append(database, [envelope(each)], received_at=RECEIVED_AT)
        catch_up(database, projections)
        assert kept_right(database, projections)


def kept_right(database: Database, projections: Sequence[Projection]) -> bool:
    """Whether what is kept is the digest of the rows, and what verify computes from the log."""
    found = verify(database, projections)
    computed = of_tables(database, projections)
    return {each.name: each.digest for each in found.projections} == computed and found.is_right


# The hash.


def test_the_hash_of_a_row_never_changes() -> None:
    """It is in every database: another hash would make all of them look wrong."""
    text = (
        '["proj_1","cust_é",null,true,-7,"2024-03-01T10:00:00Z","0001-01-02T00:00:00.000001Z",'
        '"2025-06-30","{\\"a\\":\\"\\\\\\"\\n\\"}"]'
    )
    expected = int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")
    assert digest.of([ROW]) == expected
    assert digest.apply(digest.EMPTY, digest.of([ROW])) == "00c12ef19a00e70d303c1c095a6677f4"


def test_no_rows_have_the_digest_of_nothing() -> None:
    assert digest.EMPTY == "0" * 32
    assert digest.of([]) == 0
    assert digest.apply(digest.EMPTY, 0) == digest.EMPTY


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [(*ROW[:4], number) for number in range(50)]
    expected = digest.of(rows)
    random.Random(1).shuffle(rows)
    assert digest.of(rows) == expected
    assert sum(digest.of([row]) for row in rows) == expected


def test_the_same_row_twice_is_not_the_row_once_nor_none() -> None:
    assert len({digest.of([ROW] * times) for times in range(4)}) == 4


@pytest.mark.parametrize("place", range(len(ROW)))
def test_any_other_value_has_another_hash(place: int) -> None:
    others: list[Any] = [None, "", "another", 0, 1, -7.5, False, True, date(2024, 3, 1)]
    others += [datetime(2024, 3, 1, 10, 0, 0, 1, tzinfo=UTC)]
    rows = {
        (type(other), other): (*ROW[:place], other, *ROW[place + 1 :])
        for other in [ROW[place], *others]
        if not (isinstance(ROW[place], str) and other == ROW[place])
    }
    assert len({digest.of([row]) for row in rows.values()}) == len(rows)


def test_values_in_other_columns_have_another_hash() -> None:
    assert digest.of([("a", "b")]) != digest.of([("b", "a")])
    assert digest.of([("a", "", "b")]) != digest.of([("a", "b", "")])
    assert digest.of([("ab", "c")]) != digest.of([("a", "bc")])
    assert digest.of([("a", "b"), ("c", "d")]) != digest.of([("a", "d"), ("c", "b")])


@for_any(
    st.integers(0, 2**128 - 1), st.lists(st.integers(-(2**140), 2**140), min_size=1, max_size=5)
)
def test_a_rolled_back_transaction_keeps_the_former_digest(begin: int, changes: list[int]) -> None:
    former = f"{begin:032x}"
    now = former
    for change in changes:
        now = digest.apply(now, change)
        assert len(now) == 32
    assert digest.apply(former, sum(changes)) == now
    for change in changes:
        now = digest.apply(now, -change)
    assert now == former


# Kept with the rows.


@settings(max_examples=12, suppress_health_check=_SHARED)
@for_any(data=st.data(), history=histories(size_max=10))
def test_equal_rows_have_equal_digests_on_both_databases(
    both: tuple[Database, Database], data: st.DataObject, history: list[Delivery]
) -> None:
    for database in both:
        wipe(database)
        for arrival in data.draw(arrivals(history)):
            append(database, arrival.envelopes, received_at=RECEIVED_AT)
            catch_up(database, discover(), batch_events_max=3)
    sqlite, postgres = map(digests, both)
    assert sqlite == postgres == of_tables(both[0], discover()) == of_tables(both[1], discover())


@settings(max_examples=12, suppress_health_check=_SHARED)
@for_any(
    projections=st.sampled_from([list(discover()), FUSSY, FORGETFUL]),
    coming=histories(size_max=10).flatmap(arrivals),
)
def test_live_is_rebuilt_is_recomputed(
    database: Database, projections: list[Projection], coming: list[Arrival]
) -> None:
    wipe(database)
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        project_batch(database, projections, batch_events_max=2)
        assert kept_right(database, projections)
    catch_up(database, projections, batch_events_max=2)
    live = digests(database)
    assert kept_right(database, projections)
    rebuilt = rebuild(database, projections, ENGINES["in-process"])
    assert digests(database) == live
    assert {each.name: each.digest for each in rebuilt.rebuilt} == of_tables(database, projections)


def test_a_row_more_changes_the_digest_and_without_it_it_is_the_former(database: Database) -> None:
    arrive(database, FORGETFUL, entered("cust_1", "seg_1", at=MONDAY))
    former = digests(database)
    arrive(database, FORGETFUL, entered("cust_1", "seg_2", at=TUESDAY))
    assert digests(database) != former
    arrive(database, FORGETFUL, left("cust_1", "seg_2", at=WEDNESDAY))
    assert digests(database) == former
    arrive(database, FORGETFUL, left("cust_1", "seg_1", at=THURSDAY))
    assert set(digests(database).values()) == {digest.EMPTY}


def test_a_late_event_that_takes_a_row_away_is_reckoned_with(database: Database) -> None:
    arrive(
        database,
        FUSSY,
        entered("cust_1", "seg_2", at=TUESDAY),
        entered("cust_2", "seg_2", at=TUESDAY),
        entered("cust_1", "seg_1", at=MONDAY),
    )


def test_late_events_in_one_batch_with_others_are_reckoned_with(database: Database) -> None:
    arrive(database, discover(), entered("cust_1", "seg_1", at=TUESDAY, id="e1"))
    late = [
        left("cust_1", "seg_1", at=MONDAY, id="e2"),
        left("cust_1", "seg_1", at=THURSDAY, id="e3"),
        created("cust_2", at=MONDAY, id="e4", name="Ada"),
        updated("cust_1", at=WEDNESDAY, id="e5", name="Ada"),
    ]
    append(database, [envelope(each) for each in late], received_at=RECEIVED_AT)
    catch_up(database, discover())
    assert kept_right(database, discover())


def test_the_retry_of_dead_letters_is_reckoned_with(database: Database) -> None:
    refused = [
        left("cust_1", "seg_1", at=TUESDAY),
        left("cust_2", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_2", at=WEDNESDAY),
        entered("cust_1", "seg_3", at=THURSDAY),
    ]
    arrive(database, FUSSY, *refused)
    before = digests(database)
    assert retry_dead_letters(database, discover()).resolved == 3
    assert kept_right(database, discover())
    assert digests(database) != before
    # And back again.
    rebuild(database, FUSSY, ENGINES["in-process"])
    assert digests(database) == before


def test_a_rebuild_of_what_is_right_changes_no_digest(database: Database) -> None:
    arrive(database, discover(), created("cust_1", at=MONDAY), left("cust_1", "s", at=TUESDAY))
    before = digests(database)
    for each in discover():
        rebuild(database, [each], ENGINES["in-process"])
        assert digests(database) == before


def test_a_rebuild_puts_a_wrong_digest_right(database: Database) -> None:
    arrive(database, discover(), created("cust_1", at=MONDAY))
    before = digests(database)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE checkpoint SET digest = '{'f' * 32}'")
    assert not verify(database, discover()).is_right
    rebuild(database, discover(), ENGINES["in-process"])
    assert digests(database) == before


def test_an_event_that_changes_no_row_changes_no_digest(database: Database) -> None:
    arrive(database, discover(), entered("cust_1", "seg_1", at=MONDAY))
    before = digests(database)
    arrive(database, discover(), entered("cust_1", "seg_1", at=TUESDAY))
    after = digests(database)
    assert {name for name in before if before[name] != after[name]} == {"customer"}
    assert set(positions(database).values()) == {2}


def test_a_projection_that_never_ran_has_the_digest_of_nothing(database: Database) -> None:
    arrive(database, named(["customer"]), created("cust_1", at=MONDAY))
    assert {name for name, each in digests(database).items() if each == digest.EMPTY} == {
        each.name for each in discover() if each.name != "customer"
    }


def test_an_instant_in_another_time_zone_is_hashed_in_utc(database: Database) -> None:
    """It is read back in UTC, and what is taken off the digest then must be what was put on it."""
    arrive(
        database,
        ZONED,
        created("cust_1", at=MONDAY, created_at="2024-01-01T05:45:00+05:45"),
        updated("cust_1", at=TUESDAY, name="Ada"),
        created("cust_2", at=MONDAY, created_at="2023-12-31T16:00:00-08:00"),
        created("cust_1", at=MONDAY, id="late", created_at="2024-01-01T09:00:00+09:00"),
    )
    told = digests(database)["customer"]
    rebuild(database, ZONED, ENGINES["in-process"])
    assert digests(database)["customer"] == told
    rebuild(database, named(["customer"]), ENGINES["in-process"])
    assert digests(database)["customer"] == told


def test_a_row_that_is_equal_to_the_one_there_is_left_alone() -> None:
    [projection] = named(["segment_membership"])
    row = segment_membership.Row(
        "seg_1", None, True, datetime(2024, 3, 1, tzinfo=UTC), None, False, 0, "e"
    )
    mine = CustomerKey("proj_1", "cust_1")
    zone = timezone(timedelta(hours=9))
    for same in (replace(row), replace(row, entered_at=datetime(2024, 3, 1, 9, tzinfo=zone))):
        found = difference(projection, old={mine: [row]}, new={mine: [same]})
        assert found == Difference([], [], [], 0)
