"""The command line: whatever its arguments are, it ends with a code and a sentence."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from projector.cli.program import run
from tests.support.databases import migrated
from tests.support.given import append_and_project
from tests.support.two_projects import STORY

#: Those that only ask, and end.
_ASKING = [
    ["customer"],
    ["why"],
    ["members"],
    ["segments"],
    ["tiers"],
    ["status"],
    ["quarantine", "list"],
    ["quarantine", "show"],
    ["dead-letters", "list"],
    ["dead-letters", "show"],
    ["token", "list"],
    ["export", "customers"],
]


def command(data: bytes) -> None:
    """The first byte names a command, each line after it is an argument."""
    number, text = data[:1], data[1:].decode(errors="surrogateescape").replace("\0", "")
    arguments = [*_ASKING[(number or b"\0")[0] % len(_ASKING)], *text.split("\n")]
    if any(each.startswith(("--db", "--workers", "--engine")) for each in arguments):
        return
    out, err = _stream(), _stream()
    with mock.patch.object(sys, "stdout", out), mock.patch.object(sys, "stderr", err):
        code = run(arguments)
    told, wrong = _text(out), _text(err)
    assert code in range(5), code
    assert "Traceback" not in wrong
    if code in (2, 3, 4):
        assert told == ""
        assert wrong.startswith("error: "), wrong
    if code == 0 and "--json" in arguments and "--help" not in arguments and "-h" not in arguments:
        assert all(json.loads(line) is not None for line in told.splitlines())


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(errors="surrogateescape")


@contextmanager
def on_a_database(folder: Path) -> Iterator[Callable[[bytes], None]]:
    """Commands about a story."""
    url = f"sqlite:///{folder}/projector.db"
    with migrated(url) as database:
        append_and_project(database, *STORY)
    with mock.patch.dict("os.environ", PROJECTOR_DATABASE_URL=url, COLUMNS="80"):
        yield command
