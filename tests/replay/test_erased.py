"""A log with erasures verifies; a change of what an erasure left is found and named."""

from collections.abc import Callable

import pytest

from projector.errors import LogUnsound
from projector.projections import discover
from projector.sealing import claims
from projector.sealing.seal import seal
from projector.store import log_head
from projector.store.database import Database
from replay import VerifyReport, verify
from tests.support.databases import rows
from tests.support.erasures import erase, marker_sql
from tests.support.given import append_and_project, created
from tests.support.tampering import life, rowless
from tests.support.verification import run

_UNTOLD = "Position {} is erased, and no erasure tells of it."
_BACK = "Position 2 was erased, as position 14 tells, and is there again."

#: What is done to the log of `database`, in which positions 2 to 10, stream 2, are erased.
_ATTACKS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "a row made a marker": (
        (marker_sql(12, 1),),
        [_UNTOLD.format(12), "Stream 4 has no events."],
    ),
    "a marker of another erasure": (
        ("UPDATE event SET body = '{\"erased\":2}' WHERE position = 5",),
        ["Position 5 is erased by erasure 2, but position 14 tells that erasure 1 did it."],
    ),
    "the source of erased events": (
        ("UPDATE event SET source = 'erased' WHERE position = 12",),
        ["The event at position 12 is erased, but not as an erasure does it."],
    ),
    "an erased event put back": (
        ("UPDATE event SET source = 'webhook', event_id = 'e' WHERE position = 2",),
        [_BACK],
    ),
    "an erased event put back into its stream": (
        ("UPDATE event SET source = 'webhook', stream_id = 2 WHERE position = 2",),
        [_BACK, "Stream 2 is erased, but has events."],
    ),
    "a marker in its stream": (
        ("UPDATE event SET stream_id = 2 WHERE position = 2",),
        [_BACK, "Stream 2 is erased, but has events."],
    ),
    "the erasure's event made another's": (
        ("UPDATE event SET source = 'minimal' WHERE position = 14",),
        [_UNTOLD.format(position) for position in range(2, 11)],
    ),
    "a name given to an erased stream": (
        ("UPDATE stream SET customer_id = 'cust_2' WHERE stream_id = 2",),
        ["Stream 2 is erased, but its row says otherwise."],
    ),
    "a key given to an erased stream": (
        ("UPDATE stream SET last_event_id = 'e' WHERE stream_id = 2",),
        ["Stream 2 is erased, but its row says otherwise."],
    ),
    "an erased stream that is not listed": (
        ("DELETE FROM erased_stream",),
        ["Stream 2 has no events."],
    ),
    "a stream that is listed and not erased": (
        ("INSERT INTO erased_stream VALUES (1, 1)",),
        ["Stream 1 is erased, but has events."],
    ),
    "a leaf removed": (
        ("DELETE FROM leaf WHERE position = 3",),
        [
            "The seal should have each position from 1 to its last, up to 14 at most, but has 13, "
            "from 1 to 14."
        ],
    ),
    "leaves behind the end of the log": (
        ("INSERT INTO leaf SELECT 15, salt, commitment FROM leaf WHERE position = 1",),
        [
            "The seal should have each position from 1 to its last, up to 14 at most, but has 15, "
            "from 1 to 15."
        ],
    ),
}


@pytest.fixture
def database(wiped_database: Database) -> Database:
    """Three customers, one of them erased; sealed."""
    append_and_project(
        wiped_database,
        rowless("cust_1"),
        *life("cust_2"),
        *(rowless(f"cust_{n}") for n in (3, 4)),
        created("cust_5", at="2024-03-01T10:00:00Z"),
    )
    made = erase(wiped_database, "cust_2")
    assert (made.positions, made.position) == ([*range(2, 11)], 14)
    seal(wiped_database)
    return wiped_database


@pytest.fixture
def after(database: Database) -> Callable[..., VerifyReport]:
    def after(*statements: str) -> VerifyReport:
        for each in statements:
            assert run(database, each), each
        return verify(database, discover())

    return after


def test_nothing_is_found_after_an_erasure_and_the_tables_are_those_without_the_person(
    database: Database,
) -> None:
    found = verify(database, discover())
    assert found.is_right, found
    # The erased are no customers.
    assert found.checked == 4
    assert "cust_2" not in str(rows(database))
    assert verify(database, discover(), sample=5).is_right


@pytest.mark.parametrize(("statements", "problems"), _ATTACKS.values(), ids=_ATTACKS)
def test_a_change_of_what_an_erasure_left_is_found(
    after: Callable[..., VerifyReport],
    monkeypatch: pytest.MonkeyPatch,
    statements: tuple[str, ...],
    problems: list[str],
) -> None:
    # Several windows.
    monkeypatch.setattr(claims, "WINDOW", 4)
    found = after(*statements)
    assert [each for each in found.log if "late flag" not in each] == problems


def test_a_marker_that_was_removed_is_a_hole(after: Callable[..., VerifyReport]) -> None:
    found = after("DELETE FROM event WHERE position = 5")
    assert found.log == (
        "The log head says that positions go from 1 to 14, but the log has 13, from 1 to 14.",
    )


def test_the_rows_of_an_erased_customer_are_found(after: Callable[..., VerifyReport]) -> None:
    found = after("UPDATE customer SET customer_id = 'cust_2' WHERE customer_id = 'cust_5'")
    assert [each.customer_id for each in found.customers] == ["cust_5", "cust_2"]


def test_a_head_is_repaired_before_erased_streams_and_no_others(database: Database) -> None:
    behind = "UPDATE log_head SET position = 3"
    run(database, behind)
    assert log_head.repair(database).after == (14, 5)
    for wrong, right in (
        ("UPDATE stream SET customer_id = 'x'", "UPDATE stream SET customer_id = 'erased:2'"),
        ("UPDATE stream SET last_event_id = 'e'", "UPDATE stream SET last_event_id = ''"),
        ("DELETE FROM erased_stream", "INSERT INTO erased_stream VALUES (2, 1)"),
    ):
        where = " WHERE stream_id = 2" if wrong.startswith("UPDATE") else ""
        run(database, behind, wrong + where)
        with pytest.raises(LogUnsound, match="streams 2 are"):
            log_head.repair(database)
        run(database, right + where)
        assert log_head.repair(database).after == (14, 5)
