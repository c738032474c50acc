"""The command line, in a folder of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from projector.cli import run
from tests.cli.command import Done, environment

#: Call a command; gives what came of it.
Cli = Callable[..., Done]
#: Write deliveries into a file, one a line; gives its name.
Write = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder that the command is called in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROJECTOR_DATABASE_URL", raising=False)
    monkeypatch.setenv("COLUMNS", environment()["COLUMNS"])
    return tmp_path


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


def lines(*deliveries: Any) -> bytes:
    """Deliveries, one a line."""
    return b"".join(
        (each if isinstance(each, bytes) else json.dumps(each).encode()) + b"\n"
        for each in deliveries
    )
