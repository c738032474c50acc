"""A log never signs a checkpoint that contradicts the last one, and keeps its key to itself."""

import os
from pathlib import Path

import msgspec
import pytest
from attrs import evolve

from projector.errors import (
    CheckpointInconsistent,
    FileUnreadable,
    KeyExists,
    KeyExposed,
    KeyUnreadable,
    NoteUnreadable,
    NoteUnsigned,
    OutputUnwritable,
    PositionNotSealed,
    ProofWrong,
    SizeNotSealed,
)
from projector.sealing.check import check_proof
from projector.sealing.checkpoints import make_checkpoint
from projector.sealing.key_files import create_key, read_key
from projector.sealing.prove import prove_event, prove_extension
from projector.store.database import Database
from projector.text.encode import as_json
from projector.tlog.checkpoint import SignedCheckpoint, open_checkpoint
from projector.tlog.keys import SigningKey, decode
from projector.tlog.tree import leaf_hash
from projector.tlog.verification import is_consistent, is_included
from tests.support.items import read_log
from tests.support.seals import KEY, commitments, expected, fill, sign
from tests.support.verification import run


@pytest.fixture
def database(wiped_database: Database) -> Database:
    fill(wiped_database, range(10))
    return wiped_database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint"


def test_a_checkpoint_replaces_the_one_that_it_extends(database: Database, path: Path) -> None:
    first = make_checkpoint(database, KEY, str(path))
    assert path.read_text() == first.note
    assert make_checkpoint(database, KEY, str(path)) == first
    fill(database, range(10, 13))
    second = make_checkpoint(database, KEY, str(path))
    assert (first.size, second.size, first.origin) == (10, 13, KEY.name)
    assert path.read_text() == second.note
    opened = open_checkpoint(path.read_bytes(), [KEY.verifier], what="it")
    assert (opened.size, opened.root) == (13, decode(second.root))
    # Nothing is left beside it, and anybody may read it.
    assert [*path.parent.iterdir()] == [path]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("statements", "problem"),
    [
        (
            ("UPDATE event SET source = 'x' WHERE position = 2", "DELETE FROM leaf"),
            "its first 10 events are not those of the checkpoint",
        ),
        (
            (
                "DELETE FROM event WHERE position > 8",
                "DELETE FROM leaf WHERE position > 8",
                "UPDATE log_head SET position = 8",
            ),
            "it ends at 8; the checkpoint is of 10 events",
        ),
    ],
    ids=["changed and resealed", "cut off"],
)
def test_a_checkpoint_that_does_not_extend_the_last_one_is_not_signed(
    database: Database, path: Path, statements: tuple[str, ...], problem: str
) -> None:
    sign(database, path)
    before = path.read_bytes()
    run(database, *statements, "DELETE FROM subtree")
    for _ in range(2):
        with pytest.raises(CheckpointInconsistent, match=problem):
            make_checkpoint(database, KEY, str(path))
    assert path.read_bytes() == before
    for ask in (
        lambda: prove_event(database, 3, str(path)),
        lambda: prove_extension(database, 3, str(path)),
    ):
        with pytest.raises(CheckpointInconsistent, match=problem):
            ask()


def test_a_file_that_is_no_checkpoint_of_this_key_is_not_replaced(
    database: Database, path: Path
) -> None:
    other = SigningKey.create("other.example/log", bytes(32))
    foreign = make_checkpoint(database, other).note
    for content, error in ((b"mine\n", NoteUnreadable), (foreign.encode(), NoteUnsigned)):
        path.write_bytes(content)
        with pytest.raises(error):
            make_checkpoint(database, KEY, str(path))
        assert path.read_bytes() == content
    with pytest.raises(FileUnreadable):
        make_checkpoint(database, KEY, str(path.parent))


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(database, path)
    before = path.read_bytes()
    fill(database, range(10, 11))

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputUnwritable, match="No space left"):
            make_checkpoint(database, KEY, str(path))
    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]
    with pytest.raises(OutputUnwritable):
        make_checkpoint(database, KEY, str(path.parent / "none" / "checkpoint"))


def test_every_event_is_proved_with_its_record(database: Database, path: Path) -> None:
    sign(database, path)
    fill(database, range(10, 13))
    events = read_log(database)
    opened = open_checkpoint(path.read_bytes(), [KEY.verifier], what="it")
    for event in events[:10]:
        proof, detail = prove_event(database, event.position, str(path))
        commitment = bytes.fromhex(detail.leaf.commitment)
        assert detail.leaf.salt is not None
        assert expected(bytes.fromhex(detail.leaf.salt), event) == commitment
        assert is_included(
            leaf_hash(commitment),
            index=event.position - 1,
            size=10,
            proof=proof.hashes,
            root=opened.root,
        )
        document = msgspec.json.encode(as_json(detail))
        checked = check_proof(document, [KEY.verifier], what="it")
        assert (checked.position, checked.record) == (event.position, detail.leaf.record)
    for position in (0, -1, 11):
        with pytest.raises(PositionNotSealed, match="is not among the first 10"):
            prove_event(database, position, str(path))


def test_a_record_that_was_changed_in_its_proof_is_noticed(database: Database, path: Path) -> None:
    sign(database, path)
    _, detail = prove_event(database, 4, str(path))
    record = detail.leaf.record
    assert record is not None
    changed = [
        *(
            evolve(detail, leaf=evolve(detail.leaf, record=record.replace(*words, 1)))
            for words in (("\0e3\0", "\0e4\0"), ("proj_1", "proj_2"), ("v1\x004\0", "v1\x005\0"))
        ),
        evolve(detail, index=4),
        evolve(detail, position=5),
        evolve(detail, index=4, position=5),
    ]
    for each in changed:
        with pytest.raises(ProofWrong):
            check_proof(msgspec.json.encode(as_json(each)), [KEY.verifier], what="it")


def test_any_older_head_is_proved_to_be_extended(database: Database, path: Path) -> None:
    heads = list[SignedCheckpoint]()
    for size in (10, 11, 13):
        fill(database, range(10 if not heads else heads[-1].size, size))
        heads.append(make_checkpoint(database, KEY, str(path)))
    for older in heads:
        proof, detail = prove_extension(database, older.size, str(path))
        assert (detail.old, detail.size) == (older.size, 13)
        assert is_consistent(
            old_size=older.size,
            old_root=decode(older.root),
            size=13,
            root=decode(heads[-1].root),
            proof=proof.hashes,
        )
        found = check_proof(
            proof.as_text().encode(), [KEY.verifier], old=older.note.encode(), what="it"
        )
        assert found.old == older.size
    assert prove_extension(database, 0, str(path))[0].hashes == ()
    for old in (-1, 14):
        with pytest.raises(SizeNotSealed):
            prove_extension(database, old, str(path))


def test_an_event_whose_salt_is_gone_is_proved_without_its_record(
    database: Database, path: Path
) -> None:
    sign(database, path)
    commitment = commitments(database)[3][2].hex()
    run(database, "UPDATE leaf SET salt = NULL WHERE position = 4")
    _, detail = prove_event(database, 4, str(path))
    assert as_json(detail.leaf) == {"commitment": commitment, "salt": None, "record": None}
    assert (
        check_proof(msgspec.json.encode(as_json(detail)), [KEY.verifier], what="it").commitment
        == commitment
    )


# Keys.


def test_a_key_is_created_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    before = os.umask(0)
    try:
        verifier = create_key("shop.example/projector", str(path))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(str(path)).verifier == verifier
    content = path.read_bytes()
    with pytest.raises(KeyExists):
        create_key("shop.example/projector", str(path))
    assert path.read_bytes() == content
    other = create_key("shop.example/projector", str(tmp_path / "other.key"))
    assert other.public != verifier.public
    with pytest.raises(OutputUnwritable):
        create_key("shop.example/projector", str(tmp_path / "none" / "log.key"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])
def test_a_key_that_others_can_reach_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.key"
    create_key("shop.example/projector", str(path))
    path.chmod(mode)
    with pytest.raises(KeyExposed, match=f"its mode is {mode:04o}"):
        read_key(str(path))
    path.chmod(0o400)
    assert read_key(str(path)).name == "shop.example/projector"


@pytest.mark.parametrize(("mode", "usable"), [(0o440, True), (0o460, False), (0o444, False)])
def test_a_key_of_another_user_may_be_readable_by_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, usable: bool
) -> None:
    """As systemd passes credentials: the file is root's, and an entry of its list opens it."""
    path = tmp_path / "log.key"
    create_key("shop.example/projector", str(path))
    path.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    if usable:
        assert read_key(str(path)).name == "shop.example/projector"
    else:
        with pytest.raises(KeyExposed):
            read_key(str(path))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"", "it does not begin with PRIVATE"),
        (b"\xff", "it is not UTF-8"),
        (b"PRIVATE+KEY+a+00000000+AAAA", "it is no Ed25519 key"),
        (KEY.as_text().replace("shop", "shap").encode(), "its id is not that of the key"),
        (str(KEY.verifier).encode(), "it does not begin with PRIVATE"),
    ],
    ids=["missing", "empty", "encoding", "short", "renamed", "the public half"],
)
def test_what_is_no_key_is_not_used(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "log.key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(KeyUnreadable, match=problem) as raised:
        read_key(str(path))
    assert KEY.as_text()[-20:] not in str(raised.value)
