"""The table of docs/sealed-log.md: which verification finds which change, with all triggers off."""

from pathlib import Path

import pytest

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.sealing.verify import verify_log
from projector.store.database import Database
from replay import verify
from tests.support.erasures import erase, marker_sql
from tests.support.seals import against, fill, sign
from tests.support.verification import run

_ALL = "project_id, event_id, type, stream_id, occurred_at, received_at, late, source, body"
_NO_ROOTS = "DELETE FROM subtree"
_BACK = (
    "UPDATE event SET event_id = 'e4', type = 'customer.updated', source = 'minimal', body = '{}'"
    " WHERE position = 5"
)
_RENUMBER = "UPDATE event SET position = -(position {}) WHERE position > 7"
_POSITIVE = "UPDATE event SET position = -position WHERE position < 0"
_TAIL = "DELETE FROM {} WHERE position > 10"


def _cell(assignment: str) -> tuple[str, ...]:
    return (f"UPDATE event SET {assignment} WHERE position = 4",)


#: What is done to a log of 14 events, of which 2, 5 and 8 are erased, as 11 tells, and 14 has no
#: customer; and what finds it: `verify`, `log verify` and `log verify --against`.
_ATTACKS: dict[str, tuple[tuple[str, ...], str]] = {
    "a key of a body that no fold reads": (_cell("body = '{\"a\":1,' || substr(body, 2)"), "-+a"),
    "a project": (_cell("project_id = 'proj_9'"), "-+a"),
    "an id": (_cell("event_id = 'other'"), "++a"),
    "a time of arrival": (_cell("received_at = '2024-01-01T00:00:00.000001Z'"), "-+a"),
    "a type": (_cell("type = 'customer.deleted'"), "++a"),
    "a stream": (_cell("stream_id = 2"), "++a"),
    "a time": (_cell("occurred_at = '2025-01-01T00:00:00.000001Z'"), "++a"),
    "a late flag": (_cell("late = NOT late"), "++a"),
    "a source": (_cell("source = 'webhook'"), "-+a"),
    "a stream given to another customer": (
        ("UPDATE stream SET customer_id = 'cust_9' WHERE customer_id = 'cust_0'",),
        "++a",
    ),
    "two events swapped": (
        ("UPDATE event SET position = position - 17 WHERE position IN (7, 10)", _POSITIVE),
        "-+a",
    ),
    "an event changed, and resealed": (
        (*_cell("source = 'x'"), "DELETE FROM leaf", _NO_ROOTS),
        "--+",
    ),
    "one deleted": (("DELETE FROM event WHERE position = 4",), "++a"),
    "one deleted, the others renumbered": (
        (
            "DELETE FROM event WHERE position = 7",
            _RENUMBER.format("- 1"),
            _POSITIVE,
            "UPDATE log_head SET position = 13",
        ),
        "++a",
    ),
    "one inserted, the others renumbered": (
        (
            _RENUMBER.format("+ 1"),
            _POSITIVE,
            f"INSERT INTO event (position, {_ALL}) SELECT 8, project_id, 'new', type, stream_id,"
            " occurred_at, received_at, late, source, body FROM event WHERE position = 7",
            "UPDATE log_head SET position = 15",
        ),
        "++a",
    ),
    "the tail cut off": (
        (
            _TAIL.format("event"),
            _TAIL.format("leaf"),
            "UPDATE log_head SET position = 10",
        ),
        "+++",
    ),
    "a row made a marker": (
        (marker_sql(4, 1), "UPDATE leaf SET salt = NULL WHERE position = 4"),
        "++a",
    ),
    "an erased event put back": ((_BACK,), "++a"),
    "an erased event put back, and resealed": ((_BACK, "DELETE FROM leaf", _NO_ROOTS), "+++"),
    "what tells of an erasure removed": (
        ("DELETE FROM event WHERE position = 11",),
        "++a",
    ),
    "a salt removed": (("UPDATE leaf SET salt = NULL WHERE position = 4",), "-+a"),
    "a commitment changed": (
        (
            "UPDATE leaf SET commitment = (SELECT commitment FROM leaf WHERE position = 1)"
            " WHERE position = 4",
        ),
        "-++",
    ),
    "the commitment of an erased event changed": (
        (
            "UPDATE leaf SET commitment = (SELECT commitment FROM leaf WHERE position = 1)"
            " WHERE position = 5",
        ),
        "--+",
    ),
    "an old backup": (
        (
            "DELETE FROM event WHERE position = 14",
            "DELETE FROM leaf WHERE position = 14",
            "UPDATE log_head SET position = 13",
        ),
        "--+",
    ),
}


def _fill(database: Database) -> None:
    fill(database, range(10))
    seal(database)
    made = erase(database, "cust_1", rebuilds=False)
    assert (made.positions, made.position) == ([2, 5, 8], 11)
    fill(database, range(12, 13))
    fill(database, range(18, 19))
    catch_up(database, discover())
    fill(database, range(14, 15))


@pytest.mark.parametrize(("statements", "found"), _ATTACKS.values(), ids=_ATTACKS)
def test_what_is_found_is_what_the_page_says(
    wiped_database: Database, tmp_path: Path, statements: tuple[str, ...], found: str
) -> None:
    _fill(wiped_database)
    path = sign(wiped_database, tmp_path / "checkpoint")
    assert verify(wiped_database, discover()).is_right
    assert against(wiped_database, path).is_right
    for each in statements:
        assert run(wiped_database, each) or each == _NO_ROOTS, each
    if "DELETE FROM leaf" in statements:
        seal(wiped_database)
    by_rows, by_seal, by_checkpoint = tuple(found)
    assert verify(wiped_database, discover()).is_right is (by_rows == "-")
    assert verify_log(wiped_database).is_right is (by_seal == "-")
    report = against(wiped_database, path)
    assert not report.is_right
    # `a`: the leaves are as they were, so that only the events differ.
    assert report.checkpoints[0].ok is (by_checkpoint == "a")
