"""The command line, in a folder of its own."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from projector.cli.program import run
from projector.projections import discover
from tests.support.command import Done, environment
from tests.support.databases import copy_file
from tests.support.given import entered
from tests.support.tampering import life

#: Call a command; gives what came of it.
Cli = Callable[..., Done]
#: Write deliveries into a file, one a line; gives its name.
Write = Callable[..., str]
#: Run plain SQL, each statement of which changes something.
Tamper = Callable[..., None]
#: Read every row of every table that a rebuild may change.
Rows = Callable[[], list[Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder that the command is called in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROJECTOR_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", environment()["COLUMNS"])
    return tmp_path


@pytest.fixture
def empty_database(folder: Path, sqlite_template: Path) -> None:
    """A database without an event, which commands find in the folder."""
    copy_file(sqlite_template, folder)


@pytest.fixture
def cli(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls a command in this process; `stdin` is what it reads there."""

    def call(*arguments: str, stdin: bytes = b"") -> Done:
        piped = folder / "stdin"
        piped.write_bytes(stdin)
        with piped.open() as opened, monkeypatch.context() as patched:
            patched.setattr("sys.stdin", opened)
            code = run([*arguments])
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


@pytest.fixture
def write(folder: Path) -> Write:
    """Writes deliveries (as JSON has them, or as bytes) into a file, one a line."""

    def write(*deliveries: Any, name: str = "deliveries.ndjson") -> str:
        (folder / name).write_bytes(lines(*deliveries))
        return name

    return write


@pytest.fixture
def tamper(cli: Cli, write: Write) -> Tamper:
    """Runs plain SQL on a database with four customers."""
    lives = [each for n in range(1, 5) for each in life(f"cust_{n}")]
    members = [entered(f"cust_{n}", "seg_5", at="2024-03-20T10:00:00Z") for n in range(1, 5)]
    assert cli("ingest", write(*lives, *members)).code == 0

    def tamper(*statements: str) -> None:
        with closing(sqlite3.connect("projector.db")) as connection, connection:
            for each in statements:
                assert connection.execute(each).rowcount

    return tamper


@pytest.fixture
def rows() -> Rows:
    """Reads all that a rebuild may change."""

    def read() -> list[Any]:
        with closing(sqlite3.connect("projector.db")) as connection:
            return [
                sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
                for name in (*(each.name for each in discover()), "checkpoint", "dead_letter")
            ]

    return read


def lines(*deliveries: Any) -> bytes:
    """Deliveries, one a line."""
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n"
        for each in deliveries
    )
