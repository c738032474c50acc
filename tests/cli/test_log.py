"""log: sign the head of the log, prove what is in it, and verify it, with nothing but files."""

import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from projector.cli.commands.log import PROOF_BYTES_MAX
from projector.store.database import Database
from projector.tlog import keys
from tests.cli.conftest import Cli, Write
from tests.support.erasures import erase
from tests.support.given import created

#: Run plain SQL on the database in the folder, without its triggers.
Attack = Callable[..., None]


@pytest.fixture
def vkey(cli: Cli, write: Write) -> str:
    """The verifier key of a log of five events, whose key is in `log.key`."""
    lives = [created(f"cust_{n}", at="2024-01-01T00:00:00Z") for n in range(5)]
    assert cli("ingest", write(*lives)).code == 0
    done = cli("log", "key", "shop.example/projector", "--out", "log.key")
    assert done.code == 0
    assert re.fullmatch(r"shop\.example/projector\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\n", done.out)
    return done.out.strip()


@pytest.fixture
def attack(folder: Path) -> Attack:
    def attack(*statements: str) -> None:
        with closing(sqlite3.connect("projector.db")) as connection, connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            for (name,) in found.fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for each in statements:
                assert connection.execute(each).rowcount

    return attack


def _checkpoint(cli: Cli) -> str:
    done = cli("log", "checkpoint", "--key", "log.key", "--out", "checkpoint")
    assert done.code == 0, done.err
    return done.out


def test_a_key_as_json_for_programs(cli: Cli, folder: Path) -> None:
    made = cli("log", "key", "a.example", "--out", "a.key", "--json").json
    assert list(made) == ["name", "vkey"]
    assert str(keys.VerifierKey.parse(made["vkey"])) == made["vkey"]
    assert (folder / "a.key").stat().st_mode & 0o777 == 0o600
    for name, out in (("a.example", "a.key"), ("a b", "b.key")):
        done = cli("log", "key", name, "--out", out)
        assert done.code == 2
        assert done.failed_in_a_sentence
    assert not (folder / "b.key").exists()


def test_a_checkpoint_is_printed_and_kept(cli: Cli, folder: Path, vkey: str) -> None:
    note = _checkpoint(cli)
    assert note == (folder / "checkpoint").read_text()
    assert note.split("\n")[:2] == ["shop.example/projector", "5"]
    made = cli("log", "checkpoint", "--key", "log.key", "--json").json
    root = note.split("\n")[2]
    assert made == {"origin": "shop.example/projector", "size": 5, "root": root, "note": note}
    found = cli("log", "verify", "--against", "checkpoint", "--vkey", vkey, "--json")
    checked = {"file": "checkpoint", "origin": "shop.example/projector", "size": 5, "ok": True}
    assert found.code == 0
    assert found.json == {
        "checked": 5,
        "erased": 0,
        "size": 5,
        "root": root,
        "unsealed": 0,
        "checkpoints": [checked],
        "faults": [],
    }


def test_a_change_is_found_with_exit_code_1(cli: Cli, vkey: str, attack: Attack) -> None:
    _checkpoint(cli)
    attack("UPDATE event SET source = 'x' WHERE position = 2")
    done = cli("log", "verify")
    assert done.code == 1
    assert "The event at position 2 is not the one that was sealed." in done.out
    assert "Compared 5 events with their seal. Faults: 1." in done.out
    attack("DELETE FROM leaf")
    assert cli("log", "checkpoint", "--key", "log.key").code == 0
    assert cli("log", "verify").code == 0
    done = cli("log", "verify", "--against", "checkpoint", "--vkey", vkey)
    assert done.code == 1
    assert "The first 5 events are not those of the checkpoint." in done.out
    done = cli("log", "checkpoint", "--key", "log.key", "--out", "checkpoint")
    assert done.code == 1
    assert done.failed_in_a_sentence
    assert "The log does not extend the checkpoint in checkpoint" in done.err


def test_a_log_whose_head_was_cut_is_verified_all_the_same(
    cli: Cli, vkey: str, attack: Attack
) -> None:
    _checkpoint(cli)
    attack("UPDATE log_head SET position = 3")
    found = cli("log", "verify", "--json")
    assert found.code == 1
    assert found.json["checked"] == 5
    assert "has position 3, but the log goes to 5" in found.json["faults"][0]


def test_a_proof_is_checked_by_who_has_no_database(cli: Cli, folder: Path, vkey: str) -> None:
    old = _checkpoint(cli)
    (folder / "old").write_text(old)
    proof = cli("log", "prove", "3", "--checkpoint", "checkpoint", "--json")
    detail = proof.json
    assert list(detail) == ["position", "index", "size", "proof", "checkpoint", "leaf", "erased"]
    assert (detail["position"], detail["index"], detail["size"]) == (3, 2, 5)
    assert detail["checkpoint"] == old
    text = cli("log", "prove", "3", "--checkpoint", "checkpoint").out
    assert text == "\n".join(["c2sp.org/tlog-proof@v1", "index 2", *detail["proof"], "", old])
    extension = cli("log", "prove", "--from", "3", "--checkpoint", "checkpoint").out
    assert extension.startswith("old 3\n")
    for name, content in (("json", proof.out), ("tlog-proof", text), ("extension", extension)):
        (folder / name).write_text(content)
    (folder / "projector.db").unlink()

    found = cli("log", "check", "json", "--vkey", vkey, "--json")
    assert (found.code, found.json["position"]) == (0, 3)
    assert "\0customer.created\0cust_2\0" in found.json["record"]
    commitment = detail["leaf"]["commitment"]
    done = cli("log", "check", "tlog-proof", "--vkey", vkey, "--commitment", commitment)
    assert (done.code, done.out) == (
        0,
        "Event 3 is in shop.example/projector, sealed with 5 events.\n",
    )
    wrong = cli("log", "check", "tlog-proof", "--vkey", vkey, "--commitment", "00" * 32)
    assert (wrong.code, wrong.failed_in_a_sentence) == (1, True)
    done = cli("log", "check", "extension", "--vkey", vkey, "--old", "old")
    assert done.code == 1
    assert "it is of 3 events" in done.err


def test_an_erased_event_is_proved_by_its_place(cli: Cli, folder: Path, vkey: str) -> None:
    _checkpoint(cli)
    with closing(Database(f"sqlite:///{folder / 'projector.db'}")) as database:
        erase(database, "cust_2")
    text = "Compared 5 events with their seal. Faults: 0. Events that are not sealed yet: 1.\n"
    told = cli("log", "verify").out
    assert text + "Of these events 1 are erased, as events of the log tell.\n" in told
    assert cli("log", "verify", "--json").json["erased"] == 1
    proof = cli("log", "prove", "3", "--checkpoint", "checkpoint", "--json")
    assert (proof.json["erased"], proof.json["leaf"]["salt"]) == (1, None)
    (folder / "proof").write_text(proof.out)
    found = cli("log", "check", "proof", "--vkey", vkey)
    assert (found.code, found.out) == (
        0,
        "Event 3 is in shop.example/projector, sealed with 5 events.\n"
        "It was erased by erasure 1, as the proof says: only its place in the log is proved.\n",
    )
    assert cli("log", "check", "proof", "--vkey", vkey, "--json").json["erased"] == 1


def test_a_log_is_proved_to_extend_an_older_one(
    cli: Cli, folder: Path, vkey: str, write: Write
) -> None:
    (folder / "old").write_text(_checkpoint(cli))
    cli("ingest", write(created("cust_9", at="2024-01-02T00:00:00Z")))
    _checkpoint(cli)
    found = cli("log", "prove", "--from", "5", "--checkpoint", "checkpoint", "--json").json
    assert (found["old"], found["size"]) == (5, 6)
    text = cli("log", "prove", "--from", "5", "--checkpoint", "checkpoint").out
    (folder / "proof").write_text(text)
    done = cli("log", "check", "proof", "--vkey", vkey, "--old", "old")
    assert done.out == "shop.example/projector of 6 events extends that of 5.\n"


#: Calls of `log`, and their exit codes.
_WRONG = [
    (["checkpoint", "--key", "none.key"], 2),
    (["checkpoint", "--key", "checkpoint"], 2),
    (["prove", "6", "--checkpoint", "checkpoint"], 3),
    (["prove", "--from", "6", "--checkpoint", "checkpoint"], 3),
    (["prove", "--checkpoint", "checkpoint"], 2),
    (["prove", "1", "--from", "1", "--checkpoint", "checkpoint"], 2),
    (["prove", "1"], 2),
    (["prove", "1", "--checkpoint", "none"], 2),
    (["prove", "1", "--checkpoint", "log.key"], 2),
    (["prove", "1", "--checkpoint", "broken"], 2),
    (["prove", "1", "--checkpoint", "."], 2),
    (["verify", "--against", "checkpoint"], 2),
    (["verify", "--against", "broken", "--vkey", "VKEY"], 2),
    (["verify", "--against", "none", "--vkey", "VKEY"], 2),
    (["verify", "--against", "checkpoint", "--vkey", "no key"], 2),
    (["verify", "--against", "checkpoint", "--vkey", "OTHER"], 2),
    (["check", "none", "--vkey", "VKEY"], 2),
    (["check", "checkpoint", "--vkey", "VKEY"], 2),
    (["check", "broken", "--vkey", "VKEY"], 2),
    (["check", "huge", "--vkey", "VKEY"], 2),
]


def test_wrong_usage_ends_in_a_sentence(cli: Cli, folder: Path, vkey: str) -> None:
    _checkpoint(cli)
    (folder / "broken").write_bytes(b"\xff\n\n")
    (folder / "huge").write_bytes(b"{" * (PROOF_BYTES_MAX + 1))
    other = keys.SigningKey.create("shop.example/projector", bytes(32)).verifier
    given = {"VKEY": vkey, "OTHER": str(other)}
    for arguments, code in _WRONG:
        done = cli("log", *(given.get(each, each) for each in arguments))
        assert (done.code, done.failed_in_a_sentence) == (code, True), arguments


def test_a_key_that_others_can_read_signs_nothing(cli: Cli, folder: Path, vkey: str) -> None:
    (folder / "log.key").chmod(0o644)
    for command in (
        ["log", "checkpoint", "--key", "log.key"],
        ["run", "--checkpoint-key", "log.key", "--checkpoint-out", "checkpoint"],
        ["serve", "--checkpoint-key", "log.key", "--checkpoint-out", "checkpoint"],
    ):
        done = cli(*command)
        assert done.code == 2
        assert done.failed_in_a_sentence
        assert "can be read by other users: its mode is 0644" in done.err
        assert (folder / "log.key").read_text().strip() not in done.err


def test_checkpoints_behind_the_log_need_all_their_options(cli: Cli, vkey: str) -> None:
    key, out, every = "--checkpoint-key=log.key", "--checkpoint-out=c", "--checkpoint-every"
    for options in ([key], [out], [f"{every}=5"], [key, out, f"{every}=0"]):
        for command in (["run"], ["serve"], ["serve", "--no-follower"]):
            done = cli(*command, *options)
            assert (done.code, done.failed_in_a_sentence) == (2, True), (command, options)
    assert cli("serve", "--no-follower", key, out).code == 2


def test_the_library_that_signs_is_asked_for_by_its_extra(
    cli: Cli, folder: Path, vkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _checkpoint(cli)
    monkeypatch.setitem(
        __import__("sys").modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None
    )
    for arguments in (
        ["key", "a", "--out", "a.key"],
        ["checkpoint", "--key", "log.key"],
        ["verify", "--against", "checkpoint", "--vkey", vkey],
    ):
        done = cli("log", *arguments)
        assert done.code == 2
        assert "pip install 'customer-state-projector[seal]'" in done.err
    assert not (folder / "a.key").exists()
    # These need none.
    assert cli("log", "verify").code == 0
    proof = json.loads(cli("log", "prove", "1", "--checkpoint", "checkpoint", "--json").out)
    assert proof["index"] == 0
