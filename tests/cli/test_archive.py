"""The command `archive`: its JSON, its exit codes, and bad input of every kind."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from projector.store.database import Database
from replay.archive import manifest
from tests.cli.conftest import Cli, Write
from tests.support.command import Done, environment
from tests.support.redaction import erase
from tests.support.tampering import life


@pytest.fixture(autouse=True)
def log(cli: Cli, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of nine events."""
    monkeypatch.delenv("PROJECTOR_ARCHIVE_URL", raising=False)
    done = cli("ingest", write(*life("cust_1")), "--json")
    assert done.json["head"] == 9, done


def test_an_archive_is_written_checked_and_restored(cli: Cli, folder: Path) -> None:
    first = cli("archive", "write", "a", "--range", "4", "--json").json
    assert (first["files"], first["events"], first["last"], first["head"]) == (2, 8, 8, 9)
    rest = cli("archive", "write", "a", "--range", "4", "--until", "head", "--json").json
    keys = ["files", "events", "bytes", "last", "head", "encrypted", "erased", "seconds"]
    assert list(rest) == keys
    assert (rest["files"], rest["events"], rest["last"], rest["head"]) == (1, 1, 9, 9)
    found = cli("archive", "check", "a", "--contents", "--log", "--json")
    assert (found.code, found.json) == (
        0,
        {
            "files": 3,
            "events": 9,
            "bytes": first["bytes"] + rest["bytes"],
            "last": 9,
            "encrypted": False,
            "erased": 0,
            "faults": [],
            "unnamed": [],
        },
    )
    assert cli("archive", "prune", "a", "--json").json == {"removed": [], "bytes": 0, "kept": []}
    other = ("--db", "sqlite:///other.db")
    done = cli("archive", "restore", "a", "--json", *other)
    assert list(done.json) == [
        "events", "before", "head", "last", "encrypted", "erased", "unerased", "seconds",
    ]  # fmt: skip
    assert (done.json["events"], done.json["before"], done.json["head"]) == (9, 0, 9)
    customer = ("customer", "cust_1", "--json")
    assert cli(*customer, *other).out == cli(*customer).out
    assert cli("verify", *other).code == 0


def test_for_people_there_are_sentences(cli: Cli, folder: Path) -> None:
    done = cli("archive", "write", "a")
    assert "The archive ends at position 0, the log at 9." in done.out
    assert "`--until head` archives what there is of it" in done.out
    assert "Archived 9 events in 1 files" in cli("archive", "write", "a", "--until", "head").out
    assert "with 9 events up to position 9: 0 faults." in cli("archive", "check", "a").out
    [file] = (folder / "a" / "events").iterdir()
    (folder / "a" / "events" / "orphan").write_text("")
    assert "Files that no manifest names: 1." in cli("archive", "check", "a").out
    assert "Left 1 files" in cli("archive", "prune", "a").out
    file.unlink()
    done = cli("archive", "check", "a")
    assert done.code == 1
    assert f"events/{file.name}" in done.out
    assert "it is missing" in done.out
    done = cli("archive", "restore", "a", "--db", "sqlite:///b.db", "--no-catch-up")
    assert done.code == 1
    assert done.failed_in_a_sentence


def _words(done: Done) -> str:
    """What was printed, without the breaks of lines."""
    return " ".join(done.out.replace("│", " ").split())


def test_what_was_erased_is_told_of_an_archive_that_is_not_encrypted(
    cli: Cli, folder: Path
) -> None:
    for name, *options in (("plain",), ("secret", "--encrypt")):
        assert cli("archive", "write", name, "--until", "head", *options).code == 0
    with closing(Database(f"sqlite:///{folder}/projector.db")) as database:
        erase(database, "cust_1", project_id="proj_1")
    done = cli("archive", "check", "plain", "--log")
    assert done.code == 1
    assert "it has 9 events of erased customers, and all can read them" in _words(done)
    assert "Write another archive from the beginning" in _words(done)
    assert "The archive has 9 events of erased" in _words(cli("archive", "write", "plain"))
    done = cli("archive", "check", "secret", "--log")
    assert done.code == 0
    assert "Events that were erased since they were archived: 9." in _words(done)
    assert cli("archive", "write", "secret", "--until", "head").code == 0
    assert "Wrote 61 keys to k." in _words(cli("archive", "keys", "--out", "k"))
    other = ("--db", "sqlite:///other.db")
    done = cli("archive", "restore", "secret", *other)
    assert (done.code, done.failed_in_a_sentence) == (2, True)
    done = cli("archive", "restore", "secret", "--keys", "k", *other)
    assert done.code == 0, done
    assert "Restored 10 events" in done.out
    assert "Of these, 9 are markers of erased events." in _words(done)
    assert "projector forget" not in done.out
    done = cli("archive", "restore", "plain", "--db", "sqlite:///third.db")
    assert "run `projector forget --from FILE` before anything else" in _words(done)


def test_the_environment_names_the_archive(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    done = cli("archive", "write")
    assert (done.code, done.failed_in_a_sentence) == (2, True)
    assert "PROJECTOR_ARCHIVE_URL" in done.err
    monkeypatch.setenv("PROJECTOR_ARCHIVE_URL", "here")
    assert cli("archive", "write", "--until", "head").code == 0
    assert cli("archive", "check", "--log").code == 0


_WRONG: dict[str, tuple[tuple[str, ...], int]] = {
    "no log": (("write", "a", "--db", "sqlite:///none.db"), 4),
    "until a word": (("write", "a", "--until", "tomorrow"), 2),
    "until a negative number": (("write", "a", "--until=-1"), 2),
    "until more than the log": (("write", "a", "--until", "10"), 2),
    "until a huge number": (("write", "a", "--until", "9" * 5000), 2),
    "range 0": (("write", "a", "--range", "0"), 2),
    "range a fraction": (("write", "a", "--range", "1.5"), 2),
    "range too large": (("write", "a", "--range", "99999999999999999999"), 2),
    "zstd 0": (("write", "a", "--zstd", "0"), 2),
    "zstd 20": (("write", "a", "--zstd", "20"), 2),
    "an empty URL": (("write", ""), 2),
    "a NUL": (("write", "a\0b"), 2),
    "an unknown scheme": (("write", "ftp://host/folder"), 2),
    "no bucket": (("write", "s3:///prefix"), 2),
    "a bad port": (("write", "s3://host:port/prefix"), 2),
    "a password": (("write", "s3://user:hunter2@bucket/prefix"), 2),
    "a token in the query": (("write", "az://account/container?sig=hunter2"), 2),
    "a host of a file": (("write", "file://host/folder"), 2),
    "a file": (("write", "projector.db"), 4),
    "a file in the place of a folder": (("write", "projector.db/a"), 4),
    "no archive to check": (("check", "none"), 2),
    "no archive to prune": (("prune", "none"), 2),
    "no archive to restore": (("restore", "none"), 2),
    "a file to check": (("check", "projector.db"), 4),
    "two archives": (("check", "a", "b"), 2),
    "keys where there are none": (("keys", "--out", "k"), 3),
    "keys without a file": (("keys",), 2),
}


@pytest.mark.parametrize(("arguments", "code"), list(_WRONG.values()), ids=list(_WRONG))
def test_bad_input_is_a_sentence_and_changes_nothing(
    cli: Cli, folder: Path, arguments: tuple[str, ...], code: int
) -> None:
    before = sorted(folder.rglob("*"))
    done = cli("archive", *arguments)
    assert (done.code, done.failed_in_a_sentence) == (code, True), done
    assert "hunter2" not in done.err
    assert sorted(folder.rglob("*")) == before


def test_a_folder_without_rights_is_a_sentence(cli: Cli, folder: Path) -> None:
    if os.geteuid() == 0:
        # Root may write anywhere but to what takes no files at all.
        target = "/proc/archive"
    else:
        (folder / "locked").mkdir(mode=0o500)
        target = str(folder / "locked" / "archive")
    done = cli("archive", "write", target, "--until", "head")
    assert (done.code, done.failed_in_a_sentence) == (4, True), done


@pytest.mark.parametrize("command", ["check", "write", "restore", "prune"])
def test_manifests_that_cannot_be_used_are_a_sentence(cli: Cli, folder: Path, command: str) -> None:
    assert cli("archive", "write", "a", "--until", "head").code == 0
    path = folder / "a" / manifest.manifest_name(0)
    whole = path.read_bytes()
    for content, code in (
        (whole[:100], 1),
        (b"\0" * 100, 1),
        (b'{"format": "customer-state-projector/archive", "schema": 3}', 4),
    ):
        path.write_bytes(content)
        done = cli("archive", command, "a")
        assert done.code == code, done
        assert "Traceback" not in done.err
        assert manifest.manifest_name(0) in done.out + done.err


def test_a_log_that_was_restored_from_a_backup_gets_back_what_is_missing(
    cli: Cli, folder: Path, write: Write
) -> None:
    shutil.copy(folder / "projector.db", folder / "backup.db")
    assert cli("ingest", write(*life("cust_2"))).code == 0
    assert cli("archive", "write", "a", "--until", "head").code == 0
    after = cli("export").out
    shutil.copy(folder / "backup.db", folder / "projector.db")
    done = cli("archive", "write", "a")
    assert (done.code, done.failed_in_a_sentence) == (1, True)
    assert "The archive" in done.err
    assert "ends at position 18, the log at 9: was the database restored?" in done.err
    assert "projector archive restore" in done.err
    assert cli("archive", "restore", "a").code == 0
    assert cli("export").out == after
    assert cli("archive", "check", "a", "--log").code == 0


_BLOCKED = """
import sys
for name in ("pyarrow", "obstore", "pyspark", "pandas", "numpy", "cryptography"):
    sys.modules[name] = None
from projector.cli.program import run
for arguments in (["status"], ["--help"], ["archive", "--help"], ["rebuild"]):
    assert run(arguments) == 0, arguments
for arguments in (["write", "a"], ["check", "a"], ["prune", "s3://b/c"], ["restore", "a"]):
    assert run(["archive", *arguments]) == 2, arguments
"""


def test_without_the_extra_all_else_works_and_a_sentence_names_it(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("pip install 'customer-state-projector[archive]'") == 4
    assert "Traceback" not in done.stderr
    assert not (folder / "a").exists()


def test_without_its_extra_nothing_is_encrypted(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    done = cli("archive", "write", "a", "--until", "head", "--encrypt")
    assert (done.code, done.failed_in_a_sentence) == (2, True)
    assert "customer-state-projector[archive]" in done.err
    assert not (folder / "a").exists()


def test_a_restore_from_no_archive_creates_no_database(cli: Cli, folder: Path) -> None:
    done = cli("archive", "restore", "none", "--db", "sqlite:///new.db")
    assert (done.code, done.failed_in_a_sentence) == (2, True)
    assert not (folder / "new.db").exists()
