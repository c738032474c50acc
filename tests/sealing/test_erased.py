"""A log with erasures in it is right, and what is done to its markers by plain SQL is found."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection

from projector.errors import ProofUnreadable, ProofWrong
from projector.sealing import claims as claiming
from projector.sealing import seal as sealing
from projector.sealing.check import check_proof
from projector.sealing.prove import prove_event
from projector.sealing.seal import seal
from projector.sealing.verify import verify_log
from projector.store import log_head
from projector.store.database import Database
from projector.store.sealed import records
from projector.text.encode import as_json
from projector.tlog import record
from tests.support.erasures import Erasure, erase, marker_sql, tell
from tests.support.items import envelope, put
from tests.support.seals import KEY, against, commitments, fill, sign
from tests.support.verification import run

_CHANGED = "The event at position {} is not the one that was sealed."
_UNTOLD = "Position {} is erased, and no erasure tells of it."
_BACK = "Position {} was erased, as position 11 tells, and is there again."

#: Of `cust_1`, whose events in a log of ten have these positions.
_POSITIONS = [2, 5, 8]

_BACK_AGAIN = (
    "UPDATE event SET event_id = 'e4', type = 'customer.updated', source = 'minimal', body = '{}'"
    " WHERE position = 5"
)

#: What is done to a log of ten events and the event that tells of the erasure of three of them;
#: the faults that are found with no checkpoint.
_ATTACKS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "a row made a marker of an erasure": (
        (marker_sql(4, 1), "UPDATE leaf SET salt = NULL WHERE position = 4"),
        [_UNTOLD.format(4)],
    ),
    "a row made a marker, its salt left": (
        (marker_sql(4, 9),),
        [_UNTOLD.format(4), "Position 4 is erased, and its salt is still there."],
    ),
    "a marker of another erasure": (
        ("UPDATE event SET body = '{\"erased\":9}' WHERE position = 5",),
        ["Position 5 is erased by erasure 9, but position 11 tells that erasure 1 did it."],
    ),
    "a marker changed": (
        ("UPDATE event SET late = true WHERE position = 5",),
        [_BACK.format(5), "Position 5 is not erased, and its salt is gone."],
    ),
    "an erased event put back": (
        (_BACK_AGAIN,),
        [_BACK.format(5), "Position 5 is not erased, and its salt is gone."],
    ),
    "a salt put back": (
        ("UPDATE leaf SET salt = commitment WHERE position = 5",),
        ["Position 5 is erased, and its salt is still there."],
    ),
    "a salt removed": (
        ("UPDATE leaf SET salt = NULL WHERE position = 4",),
        ["Position 4 is not erased, and its salt is gone."],
    ),
    "a marker removed": (
        ("DELETE FROM event WHERE position = 5",),
        ["There is no event at position 5."],
    ),
    "the erasure's event removed": (
        ("DELETE FROM event WHERE position = 11", "UPDATE log_head SET position = 10"),
        [*map(_UNTOLD.format, _POSITIONS), "There is no event at position 11."],
    ),
    "the erasure's event tells of less": (
        ("UPDATE event SET body = replace(body, '[5,5],', '') WHERE position = 11",),
        [_UNTOLD.format(5), _CHANGED.format(11)],
    ),
    "the erasure's event tells of more": (
        ("UPDATE event SET body = replace(body, '[5,5]', '[5,6]') WHERE position = 11",),
        [_BACK.format(6), _CHANGED.format(11)],
    ),
    "the erasure's event says nothing": (
        ("UPDATE event SET body = '{}' WHERE position = 11",),
        [
            "The event at position 11 does not tell which events its erasure has erased.",
            *map(_UNTOLD.format, _POSITIONS),
            _CHANGED.format(11),
        ],
    ),
    "the erasure's event becomes another's": (
        ("UPDATE event SET source = 'minimal' WHERE position = 11",),
        [*map(_UNTOLD.format, _POSITIONS), _CHANGED.format(11)],
    ),
}

#: Found by a checkpoint alone, for nobody can recompute what an erased event was.
_FLIP = "UPDATE leaf SET commitment = (SELECT commitment FROM leaf WHERE position = 1)"


@pytest.fixture
def database(wiped_database: Database) -> Database:
    fill(wiped_database, range(10))
    seal(wiped_database)
    return wiped_database


@pytest.fixture
def erased(database: Database) -> Erasure:
    made = erase(database, "cust_1", rebuilds=False)
    seal(database)
    return made


def test_what_was_signed_before_an_erasure_fits_after_it(
    database: Database, tmp_path: Path
) -> None:
    before = sign(database, tmp_path / "before")
    made = erase(database, "cust_1", rebuilds=False)
    after = sign(database, tmp_path / "after")
    assert (made.positions, made.position) == (_POSITIONS, 11)
    found = against(database, before, after)
    assert found.is_right, found
    assert (found.checked, found.erased, found.size, found.unsealed) == (11, 3, 11, 0)
    assert [salt is None for _, salt, _ in commitments(database)] == [
        position in _POSITIONS for position in range(1, 12)
    ]


def test_an_event_that_was_erased_before_it_was_sealed_is_sealed_as_its_marker(
    wiped_database: Database,
) -> None:
    """Without a salt: there is nothing in it to guess, and anybody can compute it."""
    fill(wiped_database, range(10))
    erase(wiped_database, "cust_1", rebuilds=False)
    seal(wiped_database)
    assert verify_log(wiped_database).is_right
    leaves = commitments(wiped_database)
    received_at = b"2025-01-01T12:30:15.123456Z"
    for position in _POSITIONS:
        number = str(position).encode()
        columns = [b"projector/event/v1", number, b"proj_1", b"erased:" + number, b"erased", b""]
        columns += [received_at, received_at, b"0", b"erased", b'{"erased":1}']
        text = b"\0".join(columns)
        assert leaves[position - 1] == (position, None, hashlib.sha256(text).digest())


@pytest.mark.parametrize(("statements", "faults"), _ATTACKS.values(), ids=_ATTACKS)
def test_a_change_of_what_is_erased_is_found(
    database: Database,
    erased: Erasure,
    tmp_path: Path,
    statements: tuple[str, ...],
    faults: list[str],
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    for each in statements:
        assert run(database, each), each
    assert list(verify_log(database).faults) == faults
    # The leaves are as they were.
    assert against(database, path).checkpoints[0].ok


def test_an_erased_event_that_is_put_back_and_resealed_is_found(
    database: Database, erased: Erasure, tmp_path: Path
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    run(database, _BACK_AGAIN, "DELETE FROM leaf", "DELETE FROM subtree")
    seal(database)
    assert list(verify_log(database).faults) == [_BACK.format(5)]
    assert not against(database, path).checkpoints[0].ok


def test_a_changed_commitment_of_an_erased_event_is_found_by_a_checkpoint_alone(
    database: Database, erased: Erasure, tmp_path: Path
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    run(database, f"{_FLIP} WHERE position = 5")
    assert verify_log(database).is_right
    assert list(against(database, path).faults) == [
        "The first 11 events are not those of the checkpoint."
    ]


def test_an_erasure_that_the_log_tells_of_is_a_lawful_one_and_cannot_be_hidden(
    database: Database, erased: Erasure, tmp_path: Path
) -> None:
    """An owner of the database can erase what he likes; but then the log tells of it for good."""
    path = sign(database, tmp_path / "before")
    erase(database, "cust_0", rebuilds=False)
    after = sign(database, tmp_path / "after")
    assert against(database, path, after).is_right
    run(
        database,
        "UPDATE event SET body = replace(body, '\"positions\":', '\"erased\":')"
        " WHERE position = 12",
        "DELETE FROM leaf",
        "DELETE FROM subtree",
    )
    seal(database)
    assert [each.ok for each in against(database, path, after).checkpoints] == [False, False]


@pytest.mark.parametrize(
    "positions",
    [[[0, 2]], [[5, 4]], [[11, 12]], [[2, 2, 2]], ["2"], [[2, 2.5]], [[2, 2**63]], None],
    ids=repr,
)
def test_an_erasure_that_cannot_have_been_is_a_fault(database: Database, positions: object) -> None:
    with database.writing() as connection:
        tell(connection, 11, {"erasure_id": 1, "positions": positions})
        log_head.advance(connection, 11, 2)
    assert verify_log(database).faults == (
        "The event at position 11 does not tell which events its erasure has erased.",
    )


def test_two_erasures_cannot_have_erased_the_same_event(
    database: Database, erased: Erasure
) -> None:
    with database.writing() as connection:
        tell(connection, 12, {"erasure_id": 1, "positions": [[5, 5]]})
        log_head.advance(connection, 12, 2)
    assert verify_log(database).faults == (
        "Positions 11 and 12 tell that the same event was erased.",
    )


def test_the_windows_of_claims_hide_nothing(
    wiped_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever window a marker, and the event that tells of it, are in."""
    monkeypatch.setattr(claiming, "WINDOW", 3)
    monkeypatch.setattr("projector.sealing.verify.RANGE", 2)
    put(wiped_database, *(envelope(f"a{n}", customer_id="cust_1", minute=n) for n in range(7)))
    put(wiped_database, *(envelope(f"b{n}", customer_id="cust_2", minute=n) for n in range(5)))
    seal(wiped_database)
    first = erase(wiped_database, "cust_1", rebuilds=False)
    second = erase(wiped_database, "cust_2", rebuilds=False)
    seal(wiped_database)
    found = verify_log(wiped_database)
    assert (found.faults, found.erased, found.size) == ((), 12, 14)
    run(wiped_database, f"UPDATE event SET body = '' WHERE position = {first.position}")
    untold = [_UNTOLD.format(position) for position in first.positions]
    assert [each for each in verify_log(wiped_database).faults if "no erasure" in each] == untold
    assert second.positions == [8, 9, 10, 11, 12]


def test_a_salt_is_not_written_after_the_erasure_of_its_event(
    wiped_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events are hashed outside of the transaction that stores the hashes."""
    prepare: Callable[..., object] = sealing._prepare
    calls = 0

    def prepare_and_erase(connection: Connection, sealed: int, head: int) -> object:
        nonlocal calls
        batch = prepare(connection, sealed, head)
        calls += 1
        if calls == 1:
            erase(wiped_database, "cust_1", rebuilds=False)
        return batch

    monkeypatch.setattr(sealing, "_prepare", prepare_and_erase)
    fill(wiped_database, range(10))
    seal(wiped_database)
    assert calls == 2
    assert [salt is None for _, salt, _ in commitments(wiped_database)][:10] == [
        position in _POSITIONS for position in range(1, 11)
    ]
    assert verify_log(wiped_database).is_right


def test_the_place_of_an_erased_event_can_be_proved(
    database: Database, erased: Erasure, tmp_path: Path
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    plain, document = prove_event(database, 5, str(path))
    assert (document.erased, document.leaf.salt, document.leaf.record) == (1, None, None)
    text = json.dumps(as_json(document)).encode()
    found = check_proof(text, [KEY.verifier], what="x")
    assert (found.position, found.size, found.erased, found.record) == (5, 11, 1, None)
    by_hash = check_proof(
        plain.as_text().encode(),
        [KEY.verifier],
        commitment=document.leaf.commitment,
        what="x",
    )
    assert by_hash.position == 5
    # The event that tells of it is there like any other, and proves what it says.
    _, told = prove_event(database, erased.position, str(path))
    assert told.erased is None
    assert told.leaf.record is not None
    assert '"positions":[[2,2],[5,5],[8,8]]' in told.leaf.record


def test_a_proof_shows_no_event_that_is_not_compared_with_its_commitment(
    database: Database, erased: Erasure, tmp_path: Path
) -> None:
    path = sign(database, tmp_path / "checkpoint")
    erased_proof = as_json(prove_event(database, 5, str(path))[1])
    proof = as_json(prove_event(database, 4, str(path))[1])
    leaf = proof["leaf"]
    for document, problem in (
        ({**proof, "erased": 1}, ProofWrong),
        ({**proof, "leaf": {**leaf, "salt": None}}, ProofUnreadable),
        ({**proof, "leaf": {**leaf, "record": None}}, ProofUnreadable),
        ({**erased_proof, "leaf": {**erased_proof["leaf"], "record": "x"}}, ProofUnreadable),
    ):
        with pytest.raises(problem):
            check_proof(json.dumps(document).encode(), [KEY.verifier], what="x")


def test_only_exact_markers_are_markers() -> None:
    columns = [b"4", b"p", b"erased:4", b"erased", b"", b"t", b"t", b"0", b"erased"]
    exact = record.join([*columns, b'{"erased":7}'])
    assert record.erasure_of(exact) == 7
    assert record.erasure_of(record.join([*columns, b'{"erased":%d}' % (2**63 - 1)])) == 2**63 - 1
    for number, wrong in enumerate((b"5", b"", b"erased:5", b"e", b"c", b"s", b"s", b"1", b"x")):
        changed = [*columns[:number], wrong, *columns[number + 1 :]]
        if number != 1:
            assert record.erasure_of(record.join([*changed, b'{"erased":7}'])) is None, wrong
    for body in (b'{"erased":7} ', b'{"erased":"7"}', b'{"erased":-7}', b'{"erased":}', b"{}"):
        assert record.erasure_of(record.join([*columns, body])) is None, body
    # A body may have anything in it, NULs included.
    text = b'{"a":"\0erased\0{"erased":7}'
    assert record.erasure_of(record.join([*columns[:8], b"minimal", text])) is None


def test_no_guess_of_an_erased_event_can_be_confirmed(wiped_database: Database) -> None:
    """With the salt one can: so it is destroyed, with all else that a guess could be put to."""
    put(wiped_database, envelope("e_7281", name="7281"))
    seal(wiped_database)
    with wiped_database.reading() as connection:
        [(_, known)] = records.scan(connection, after=0, until=1)
    guesses = [f"{number:04}".encode() for number in range(10_000)]
    guessed = [(each, known.replace(b"7281", each)) for each in guesses]

    def confirmed() -> set[tuple[str, bytes]]:
        _, salt, commitment = commitments(wiped_database)[0]
        stored = _stored_texts(wiped_database)
        return {
            *(
                ("commitment", each)
                for each, event_record in guessed
                if record.commit(salt or b"", event_record) == commitment
            ),
            *(("id", each) for each in guesses if f"e_{each.decode()}" in stored),
        }

    assert confirmed() == {("commitment", b"7281"), ("id", b"7281")}
    erase(wiped_database, "cust_1", rebuilds=False)
    seal(wiped_database)
    assert confirmed() == set()
    stored = _stored_texts(wiped_database)
    assert not [each for each in stored if "7281" in each]


def _stored_texts(database: Database) -> set[str]:
    """Every value of every table but of those that only an erasure's own transaction empties."""
    with database.reading() as connection:
        return {
            str(value)
            for table in ("event", "leaf", "stream", "suppressed", "erasure", "duplicate")
            for row in connection.exec_driver_sql(f"SELECT * FROM {table}")
            for value in row
        }
