"""Questions are answered from files that cannot be written to, or say why not."""

import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from projector import open_projector
from projector.cli.program import run
from tests.support.command import Done
from tests.support.given import created, entered

#: Call a command on the database; gives what came of it.
Call = Callable[..., Done]

_STORY = [
    created("cust_1", at="2024-01-01T00:00:00Z"),
    entered("cust_1", "seg_1", at="2024-01-02T00:00:00Z"),
]
_MORE = json.dumps(created("cust_2", at="2024-01-01T00:00:00Z")).encode()

_READING = [
    ["customer", "cust_1"],
    ["customer", "cust_1", "--as-of", "2024-01-03T00:00:00Z", "--json"],
    ["export", "customers"],
    ["members", "--segment", "seg_1"],
    ["segments"],
    ["status"],
    ["token"],
    ["verify"],
    ["why", "cust_1", "--segment", "seg_1"],
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that another user can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@pytest.fixture
def url(folder: Path) -> str:
    """The URL of the database in the folder."""
    return f"sqlite:///{folder}/projector.db"


@pytest.fixture
def call(folder: Path, url: str, capsys: pytest.CaptureFixture[str]) -> Call:
    """Calls a command in this process, on a database with a customer."""
    (folder / "story").write_text("\n".join(map(json.dumps, _STORY)))
    (folder / "more").write_bytes(_MORE)

    def call(*arguments: str) -> Done:
        code = run([*arguments, "--db", url])
        return Done(code, *capsys.readouterr())

    assert call("ingest", f"{folder}/story").code == 0
    return call


@contextmanager
def _read_only(folder: Path, *, mode: int = 0o555) -> Iterator[None]:
    """Be a user who may read the files of a folder, and not write to it."""
    for each in folder.iterdir():
        each.chmod(0o444)
    folder.chmod(mode)
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("mode", [0o555, 0o777], ids=["folder and file", "file alone"])
def test_questions_are_answered_from_a_read_only_file(call: Call, folder: Path, mode: int) -> None:
    before = [call(*each) for each in _READING]
    assert {each.code for each in before} == {0}
    with _read_only(folder, mode=mode):
        assert [call(*each) for each in _READING] == before


@pytest.mark.parametrize(
    "command",
    [["ingest", "more"], ["rebuild"], ["token", "create", "x", "--scope", "read"]],
    ids=" ".join,
)
def test_a_read_only_file_is_not_written_to_and_the_error_says_why(
    call: Call, folder: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(folder)
    # Whatever it imports, it can import now.
    call(*command)
    with _read_only(folder):
        done = call(*command)
    assert done.code == 4, done
    assert done.failed_in_a_sentence
    assert "read-only" in done.err or "readonly" in done.err or "Permission denied" in done.err


def test_a_read_only_file_with_another_journal_is_read(call: Call, folder: Path) -> None:
    """As `VACUUM INTO`, or a dump that was loaded, leaves it."""
    before = call("status").out
    with closing(sqlite3.connect(folder / "projector.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with _read_only(folder):
        assert call("status").out == before


def test_a_read_only_file_whose_log_has_content_is_refused(
    call: Call, folder: Path, url: str
) -> None:
    """The answer would lack the events that are in the write-ahead log only."""
    call("status")
    names = ("projector.db", "projector.db-wal")
    with open_projector(url) as projector:
        projector.ingest([_MORE])
        killed = {name: (folder / name).read_bytes() for name in names}
    for name, content in killed.items():
        (folder / name).write_bytes(content)
    with _read_only(folder):
        done = call("status")
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "projector.db-wal has transactions" in done.err


def test_a_read_only_file_that_is_in_use_is_read(call: Call, folder: Path, url: str) -> None:
    call("status")
    with open_projector(url) as projector:
        projector.ingest([_MORE])
        with _read_only(folder):
            assert call("status", "--json").json["head"] == 3
