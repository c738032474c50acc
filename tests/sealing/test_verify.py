"""What is done to a sealed log by plain SQL, with all triggers off, is found and named.

What a resealed log hides is found by a checkpoint that was taken away in time.
"""

from pathlib import Path

import pytest

from projector.errors import NoteUnsigned
from projector.sealing.seal import seal
from projector.sealing.verify import NAMED_MAX, verify_log
from projector.store.database import Database
from projector.tlog.keys import SigningKey
from tests.support.databases import unguarded, wipe
from tests.support.seals import KEY, against, commitments, fill, sign
from tests.support.verification import run

_SEALED = "The event at position {} is not the one that was sealed."
_CHANGED = [_SEALED.format(4)]
_ALL = "position, project_id, event_id, type, stream_id, occurred_at, received_at, late, source"

#: What is changed in the event at position 4, which is the customer's cust_0, and late.
_CELLS = {
    "a key of a body that no fold reads": "body = '{\"a\":1,' || substr(body, 2)",
    "white space of a body": "body = body || ' '",
    "the project": "project_id = 'proj_9'",
    "the id": "event_id = 'other'",
    "the time of arrival": "received_at = '2024-01-01T00:00:00.000001Z'",
    "the type": "type = 'customer.deleted'",
    "the stream": "stream_id = 2",
    "the customer": "stream_id = NULL",
    "the time": "occurred_at = '2024-01-01T00:00:00.000001Z'",
    "the late flag": "late = NOT late",
    "the source": "source = 'webhook'",
}

_RENUMBER = "UPDATE {0} SET position = -(position {1}) WHERE position > {2}"
_SWAP = "UPDATE {0} SET position = position - 9 WHERE position IN (4, 5)"

#: What is done to a log of 10 events, and the faults that are found with no checkpoint.
_ATTACKS = {
    **{
        name: ((f"UPDATE event SET {cell} WHERE position = 4",), _CHANGED)
        for name, cell in _CELLS.items()
    },
    "a stream given to another customer": (
        ("UPDATE stream SET customer_id = 'cust_9' WHERE customer_id = 'cust_1'",),
        [_SEALED.format(at) for at in (2, 5, 8)],
    ),
    "a stream removed": (
        ("DELETE FROM stream WHERE customer_id = 'cust_1'",),
        [_SEALED.format(at) for at in (2, 5, 8)],
    ),
    "two events swapped": (
        (_SWAP.format("event"), "UPDATE event SET position = -position WHERE position < 0"),
        [_SEALED.format(4), _SEALED.format(5)],
    ),
    "one deleted": (
        ("DELETE FROM event WHERE position = 4",),
        ["There is no event at position 4."],
    ),
    "some deleted": (
        ("DELETE FROM event WHERE position IN (4, 5, 6)",),
        ["There are no events at positions 4 to 6."],
    ),
    "one deleted, the others renumbered": (
        (
            "DELETE FROM event WHERE position = 8",
            _RENUMBER.format("event", "- 1", 8),
            "UPDATE event SET position = -position WHERE position < 0",
            "UPDATE log_head SET position = 9",
        ),
        [_SEALED.format(8), _SEALED.format(9), "There is no event at position 10."],
    ),
    "one inserted, the others renumbered": (
        (
            _RENUMBER.format("event", "+ 1", 8),
            "UPDATE event SET position = -position WHERE position < 0",
            f"INSERT INTO event ({_ALL}, body) SELECT 9, project_id, 'new', type, stream_id,"
            " occurred_at, received_at, late, source, body FROM event WHERE position = 8",
            "UPDATE log_head SET position = 11",
        ),
        # What was the last one is not sealed yet: no fault.
        [_SEALED.format(9), _SEALED.format(10)],
    ),
    "the tail cut off": (
        ("DELETE FROM event WHERE position > 8", "UPDATE log_head SET position = 8"),
        ["There are no events at positions 9 to 10."],
    ),
    "an event far behind": (
        (
            f"INSERT INTO event ({_ALL}, body) SELECT 4000000000000000000, project_id, 'new', type,"
            " stream_id, occurred_at, received_at, late, source, body FROM event"
            " WHERE position = 8",
            "UPDATE log_head SET position = 4000000000000000000",
        ),
        [
            "There are no events at positions 11 to 2048.",
            "There are no events at positions 2049 to 3999999999999999999.",
        ],
    ),
    "a salt removed": (
        ("UPDATE leaf SET salt = NULL WHERE position = 4",),
        ["Position 4 is not erased, and its salt is gone."],
    ),
    "a salt changed": (("UPDATE leaf SET salt = commitment WHERE position = 4",), _CHANGED),
    "a leaf removed": (
        ("DELETE FROM leaf WHERE position = 4",),
        ["The event at position 4 is not sealed."],
    ),
}

#: What needs a checkpoint to be found.
_HIDDEN = {
    "the tail cut off with its seal": (
        "DELETE FROM event WHERE position > 8",
        "DELETE FROM leaf WHERE position > 8",
        "UPDATE log_head SET position = 8",
    ),
    "the seal cut off": ("DELETE FROM leaf WHERE position > 8",),
}


@pytest.fixture
def database(wiped_database: Database) -> Database:
    fill(wiped_database, range(10))
    seal(wiped_database)
    return wiped_database


def _attack(database: Database, *statements: str) -> None:
    with database.writing() as connection, unguarded(connection):
        for each in statements:
            assert connection.exec_driver_sql(each).rowcount, each


def _reseal(database: Database) -> None:
    run(database, "DELETE FROM leaf", "DELETE FROM subtree")
    seal(database)


def _head_fits(faults: tuple[str, ...]) -> list[str]:
    """The faults but for those of the head, which has the numbers of streams as well."""
    return [each for each in faults if "The head of the log" not in each]


def test_nothing_is_found_in_a_log_that_nobody_changed(database: Database, tmp_path: Path) -> None:
    path = sign(database, tmp_path / "checkpoint")
    fill(database, range(10, 14))
    found = against(database, path)
    assert found.is_right
    assert [(each.file, each.size, each.ok) for each in found.checkpoints] == [
        (str(path), 10, True)
    ]
    assert (found.checked, found.size, found.unsealed) == (10, 10, 4)


@pytest.mark.parametrize(("statements", "faults"), _ATTACKS.values(), ids=_ATTACKS)
def test_a_change_is_found(
    database: Database, tmp_path: Path, statements: tuple[str, ...], faults: list[str]
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    _attack(database, *statements)
    found = verify_log(database)
    assert _head_fits(found.faults) == faults
    assert not found.is_right
    # The checkpoint is about the leaves, which few of these touch.
    leaf_is_hit = any("leaf WHERE" in each for each in statements)
    assert against(database, path).checkpoints[0].ok is not leaf_is_hit


_RESEALED = {
    name: statements
    for name, (statements, faults) in _ATTACKS.items()
    if "leaf" not in " ".join(statements) and not any("There" in each for each in faults)
}


@pytest.mark.parametrize("statements", _RESEALED.values(), ids=_RESEALED)
def test_a_resealed_log_is_found_by_a_checkpoint_alone(
    database: Database, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    _attack(database, *statements)
    _reseal(database)
    assert _head_fits(verify_log(database).faults) == []
    assert _head_fits(against(database, path).faults) == [
        "The first 10 events are not those of the checkpoint."
    ]


@pytest.mark.parametrize("statements", _HIDDEN.values(), ids=_HIDDEN)
def test_a_tail_that_was_cut_off_with_its_seal_is_found_by_a_checkpoint_alone(
    database: Database, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    _attack(database, *statements)
    assert _head_fits(verify_log(database).faults) == []
    assert _head_fits(against(database, path).faults) == [
        "The seal ends at 8; a checkpoint has 10."
    ]


def test_several_checkpoints_bound_the_place(wiped_database: Database, tmp_path: Path) -> None:
    paths = list[Path]()
    for before, size in ((0, 3), (3, 3), (3, 6), (6, 9)):
        fill(wiped_database, range(before, size))
        paths.append(sign(wiped_database, tmp_path / f"{len(paths)}"))
    _attack(wiped_database, "UPDATE event SET source = 'x' WHERE position = 5")
    _reseal_from(wiped_database, 5)
    found = against(wiped_database, *paths[::-1])
    assert [(each.size, each.ok) for each in found.checkpoints] == [
        (3, True),
        (3, True),
        (6, False),
        (9, False),
    ]


#: Values that this program cannot have written, by database.
_FOREIGN = {
    "sqlite": [
        "body = x'00ff'",
        "source = CAST(x'61ff' AS TEXT)",
        "late = 'x'",
        "late = 2",
        "occurred_at = 'soon'",
        "received_at = replace(received_at, 'Z', '+00:00')",
        "type = type || char(0)",
    ],
    "postgresql": [
        "occurred_at = 'infinity'",
        "occurred_at = '-infinity'",
        "received_at = '0044-03-15 12:00:00 BC'",
        "received_at = '10000-01-01 00:00:00Z'",
    ],
}


def test_values_that_cannot_be_read_are_faults_like_others(database: Database) -> None:
    for cell in _FOREIGN[database.url.get_backend_name()]:
        wipe(database)
        fill(database, range(10))
        seal(database)
        _attack(database, f"UPDATE event SET {cell} WHERE position = 4")
        assert list(verify_log(database).faults) == _CHANGED, cell


def _reseal_from(database: Database, position: int) -> None:
    """Seal a few events anew, and leave those before them as they are."""
    run(database, f"DELETE FROM leaf WHERE position >= {position}", "DELETE FROM subtree")
    seal(database)


def test_a_forged_commitment_is_found_by_the_event_and_its_removal_by_the_checkpoint(
    database: Database, tmp_path: Path
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    flipped = commitments(database)[3][2][::-1].hex()
    value = f"x'{flipped}'" if database.is_sqlite else f"'\\x{flipped}'::bytea"
    _attack(database, f"UPDATE leaf SET commitment = {value} WHERE position = 4")
    assert list(verify_log(database).faults) == _CHANGED
    assert not against(database, path).checkpoints[0].ok


def test_a_wrong_root_in_the_cache_is_found(wiped_database: Database, tmp_path: Path) -> None:
    """It would be signed; so it is named, with what to do."""
    fill(wiped_database, range(600))
    path = sign(wiped_database, tmp_path / "checkpoint")
    _attack(
        wiped_database,
        "UPDATE subtree SET hash = (SELECT commitment FROM leaf WHERE position = 1)"
        " WHERE number = 1",
    )
    [fault] = against(wiped_database, path).faults
    assert fault.startswith("The cached root of subtree 1 of level 1 is wrong: empty the table")
    run(wiped_database, "DELETE FROM subtree")
    assert against(wiped_database, path).is_right


def test_faults_are_named_up_to_a_number(wiped_database: Database, tmp_path: Path) -> None:
    fill(wiped_database, range(NAMED_MAX + 50))
    path = sign(wiped_database, tmp_path / "checkpoint")
    _attack(wiped_database, "UPDATE event SET source = 'x'")
    _attack(wiped_database, f"DELETE FROM leaf WHERE position = {NAMED_MAX + 50}")
    found = against(wiped_database, path)
    assert len(found.faults) == NAMED_MAX + 1
    assert found.faults[-1].startswith("The seal ends at")


def test_a_checkpoint_needs_a_key_that_signed_it(database: Database, tmp_path: Path) -> None:
    path = sign(database, tmp_path / "checkpoint")
    foreign = SigningKey.create(KEY.name, b"\1" * 32).verifier
    for keys in ([], [foreign]):
        with pytest.raises(NoteUnsigned):
            verify_log(database, against=[str(path)], keys=keys)


def test_an_empty_log_is_right(wiped_database: Database, tmp_path: Path) -> None:
    path = sign(wiped_database, tmp_path / "checkpoint")
    found = against(wiped_database, path)
    assert (found.is_right, found.size, found.checkpoints[0].ok) == (True, 0, True)
    assert found.root == "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
