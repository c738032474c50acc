"""README.md tells the truth: what it shows is run, and gives what it shows.

- ```console: commands after `$ `, each followed by all that it prints.
- ```sh: commands alone; what they print does not matter, that they succeed does.
- ```python, ```sql: run too; the ```text block right behind one shows what it gives.

The blocks are run one after the other, as a reader would, in a copy of the checkout. What is
exported in one command is there for the next, a server that was begun with `&` serves, and
`kill %1` ends it, which must go well. Three things differ from a reader's life: `.venv` is there
already, without the tools for developing, so that `make demo` need not install them; the Postgres
of the tests stands in for the one of the reader; and the server has another port, for two of these
tests may run at once.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

import pytest
from attrs import evolve, frozen
from sqlalchemy import create_engine, make_url

from projector.server import openapi

_ROOT = Path(__file__).parents[2]

#: In the README, and what is run in its place.
_SQLITE = "sqlite:///projector.db"
_POSTGRES = "postgresql://user@localhost/projector"
_ADDRESS = "localhost:8000"
_SERVE = "projector serve"

#: How long a server may take to begin, or to end, in seconds.
_SERVER_SECONDS_MAX = 30

_AGE = re.compile(r"\d+ d later")
#: How fast a machine is.
_SPEED = re.compile(r"in [\d.]+ s, [\d,]+ a second\.( Writers had to wait for \d+ ms\.)?")
_ROOM = re.compile("[ ━─]+")

_LANGUAGES = {"sh", "console", "python", "sql"}
_BLOCK = re.compile(
    r"^## (?P<section>[^\n]*)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)


@frozen(kw_only=True)
class Block:
    """A block of code, and what the README says that it gives."""

    section: str
    language: str
    code: str
    #: The text block right behind it, where there is one.
    result: str | None
    line: int


def _blocks(text: str) -> Iterator[Block]:
    section = ""
    found = list(_BLOCK.finditer(text))
    for match, following in zip(found, [*found[1:], None], strict=True):
        section = match["section"] or section
        if match["language"] in (None, "text"):
            continue
        has_result = following is not None and following["language"] == "text"
        yield Block(
            section=section,
            language=match["language"],
            code=match["code"],
            result=following["code"] if following is not None and has_result else None,
            line=text.count("\n", 0, match.start()) + 1,
        )


_README = (_ROOT / "README.md").read_text()
_BLOCKS = list(_blocks(_README))


class Reader:
    """Somebody who follows the README in a folder of their own."""

    def __init__(self, folder: Path, sql_url: str = _SQLITE) -> None:
        self.folder = folder
        #: The database that their SQL client is connected to.
        self.sql_url = sql_url
        self._exported = folder.parent / "exported"
        exports = (f"export {name}={shlex.quote(value)}\n" for name, value in _variables().items())
        self._exported.write_text("".join(exports))
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def follow(self, blocks: Iterable[Block]) -> None:
        """Run blocks; each has to give what it shows."""
        for block in blocks:
            given = getattr(self, f"_{block.language}")(block)
            assert given == (block.result or ""), f"README.md, line {block.line}"

    def run(self, command: str) -> str:
        """Run a command that must succeed, in a shell that is as the last one left it."""
        if command.endswith(" &"):
            return self._begin(command.removesuffix(" &"))
        if command == "kill %1":
            return self._end()
        script = (
            f". {self._exported}\n{command}\nstatus=$?\nexport -p >{self._exported}\nexit $status"
        )
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout

    def _begin(self, command: str) -> str:
        """Start a server, which writes to a file, and wait until it listens as a reader would."""
        log = self.folder / command.rpartition("2>")[2]
        log.unlink(missing_ok=True)
        script = f". {self._exported}\nexec {command}"
        self._server = subprocess.Popen(
            ["sh", "-c", script],
            cwd=self.folder,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + _SERVER_SECONDS_MAX
        while not (log.exists() and "Listening on" in log.read_text()):
            assert self._server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return ""

    def _end(self) -> str:
        assert self._server is not None
        self._server.terminate()
        assert self._server.wait(_SERVER_SECONDS_MAX) == 0
        return ""

    def _sh(self, block: Block) -> str:
        for command in block.code.splitlines():
            self.run(command)
        return ""

    def _console(self, block: Block) -> str:
        commands = [line for line in block.code.splitlines() if line.startswith("$ ")]
        assert commands, f"README.md, line {block.line}: a console block without `$ `"
        shown = "".join(f"{line}\n{_trimmed(self.run(line[2:]))}" for line in commands)
        assert _timeless(shown) == _timeless(block.code), f"README.md, line {block.line}"
        return ""

    def _python(self, block: Block) -> str:
        (self.folder / "block.py").write_text(block.code)
        return _trimmed(self.run("python block.py"))

    def _sql(self, block: Block) -> str:
        url = make_url(self.sql_url)
        if url.drivername == "sqlite":
            url = url.set(database=str(self.folder / (url.database or "")))
        engine = create_engine(url)
        with engine.connect() as connection:
            result = connection.exec_driver_sql(block.code)
            names = list(result.keys())
            rows = [[str(value) for value in row] for row in result]
        engine.dispose()
        return _table([names, *rows])


def _variables() -> dict[str, str]:
    """The environment of a reader: without the settings of this test run and the make around it."""
    ours = ("PYTHON", "PROJECTOR_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "PYTEST", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # A shell cannot export every name that an environment may have.
    exportable = {name: value for name, value in kept.items() if name.isidentifier()}
    # As wide as the tables in the README.
    return {**exportable, "PATH": path, "COLUMNS": "100"}


def _trimmed(text: str) -> str:
    """The text without what nobody sees: whitespace at the ends of lines."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _timeless(text: str) -> str:
    """The text without how long ago the sample's events were, the room that this takes, and how
    fast it went.
    """
    text = _SPEED.sub("soon", text)
    if _AGE.search(text) is None:
        return text
    return _ROOM.sub(" ", _AGE.sub("some days later", text))


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (" | ".join(map(str.ljust, row, widths)) for row in rows)
    return _trimmed("\n".join(lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the checkout."""
    folder = tmp_path / "checkout"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.db*", "build", "dist", "tests"
    )
    return Path(shutil.copytree(_ROOT, folder, ignore=ignored))


def _set_up(folder: Path) -> None:
    """Do what `make demo` does the first time, without the tools for developing."""
    for command in (
        (sys.executable, "-m", "venv", ".venv"),
        (".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-e", "."),
    ):
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (folder / ".venv" / "installed").touch()


def test_every_block_of_code_is_run() -> None:
    fences = re.findall(r"^ *(?:```|~~~)(.*)$", _README, re.M)
    opened = fences[::2]
    assert all(language in _LANGUAGES | {"text"} for language in opened)
    assert all(closed == "" for closed in fences[1::2])
    assert len(_BLOCKS) + sum(block.result is not None for block in _BLOCKS) == len(opened)
    assert {block.language for block in _BLOCKS} == _LANGUAGES


def test_the_readme_is_true_on_sqlite(folder: Path) -> None:
    _set_up(folder)
    port = _free_port()
    with Reader(folder) as reader:
        reader.follow(_with_port(block, port) for block in _BLOCKS if block.section != "Postgres")


def test_the_readme_is_true_on_postgres(folder: Path, postgres_url: str) -> None:
    reader = Reader(folder, sql_url=postgres_url)
    reader.follow(
        block for block in _BLOCKS if block.section == "Quick start" and block.language == "sh"
    )
    reader.follow(_with_url(block, postgres_url) for block in _in("Postgres"))
    reader.follow(block for block in _BLOCKS if block.language == "sql")


def test_the_readme_lists_every_path_of_the_server() -> None:
    rows = re.findall(r"^\| (`(?:GET|POST) /[^|]*) \|", _README, re.M)
    listed = re.findall(r"`(GET|POST) (/[^`]+)`", "\n".join(rows))
    assert sorted(listed) == sorted(
        (method.upper(), path)
        for path, operations in openapi.document()["paths"].items()
        for method in operations
    )


def _in(section: str) -> list[Block]:
    found = [block for block in _BLOCKS if block.section == section]
    assert found
    return found


def _with_url(block: Block, url: str) -> Block:
    return evolve(block, code=block.code.replace(_POSTGRES, url))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _with_port(block: Block, port: int) -> Block:
    code = block.code.replace(_ADDRESS, f"localhost:{port}")
    return evolve(block, code=code.replace(_SERVE, f"{_SERVE} --port {port}"))
