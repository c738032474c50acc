"""Runs commands, code and SQL in a copy of the checkout, as a reader of the docs would."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from sqlalchemy import create_engine, make_url

ROOT = Path(__file__).parents[2]

#: Names the database of the commands, and of the SQL.
URL_VARIABLE = "PROJECTOR_DATABASE_URL"
_SQLITE = "sqlite:///projector.db"

#: How long a server may take to start or to stop, in seconds.
SERVER_SECONDS_MAX = 30


def copy_checkout(folder: Path) -> Path:
    """Copy what a reader gets."""
    ignored = shutil.ignore_patterns(
        ".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.db*", "build", "dist", "tests"
    )
    return Path(shutil.copytree(ROOT, folder, ignore=ignored))


def install(checkout: Path) -> None:
    """Do what `make demo` does the first time, without the tools for developing."""
    for command in (
        (sys.executable, "-m", "venv", ".venv"),
        (".venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-e", "."),
    ):
        subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.DEVNULL)
    (checkout / ".venv" / "installed").touch()


class Reader:
    """Runs blocks in one folder, one after the other, as a person at a shell would."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._exported = folder.parent / "exported"
        exports = (
            f"export {name}={shlex.quote(value)}\n"
            for name, value in {**_variables(), **variables}.items()
        )
        self._exported.write_text("".join(exports))
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()

    def follow(self, language: str, code: str) -> str:
        """Run a block; return what it shows, for a console block with its commands."""
        printed: str = getattr(self, f"_{language}")(code)
        return printed

    def run(self, command: str) -> str:
        """Run a command that must succeed, in a shell that is as the last one left it."""
        if command.endswith(" &"):
            return self._start(command.removesuffix(" &"))
        if command == "kill %1":
            return self._stop()
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

    def _start(self, command: str) -> str:
        """Start a server, which writes to a file, and wait until it listens."""
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
        deadline = time.monotonic() + SERVER_SECONDS_MAX
        while not (log.exists() and "Listening on" in log.read_text()):
            assert self._server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        return ""

    def _stop(self) -> str:
        assert self._server is not None
        self._server.terminate()
        assert self._server.wait(SERVER_SECONDS_MAX) == 0
        return ""

    def _sh(self, code: str) -> str:
        for command in code.splitlines():
            self.run(command)
        return ""

    def _console(self, code: str) -> str:
        commands = [line for line in code.splitlines() if line.startswith("$ ")]
        assert commands, f"a console block without `$ `:\n{code}"
        return "".join(f"{line}\n{_trimmed(self.run(line[2:]))}" for line in commands)

    def _python(self, code: str) -> str:
        (self.folder / "block.py").write_text(code)
        return _trimmed(self.run("python block.py"))

    def _sql(self, code: str) -> str:
        url = make_url(self.run(f'printf %s "${URL_VARIABLE}"') or _SQLITE)
        if url.drivername == "sqlite":
            url = url.set(database=str(self.folder / (url.database or "")))
        engine = create_engine(url)
        with engine.connect() as connection:
            result = connection.exec_driver_sql(code)
            names = list(result.keys())
            rows = [[str(value) for value in row] for row in result]
        engine.dispose()
        return _table([names, *rows])


def _variables() -> dict[str, str]:
    """Return a reader's environment, without the settings of this test run and its make."""
    ours = ("PYTHON", "PROJECTOR_", "VIRTUAL_ENV", "MAKE", "MFLAGS", "PYTEST", "CI")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # A shell cannot export every name that an environment may have.
    exportable = {name: value for name, value in kept.items() if name.isidentifier()}
    # As wide as the tables in the pages.
    return {**exportable, "PATH": path, "COLUMNS": "100"}


def _trimmed(text: str) -> str:
    """Remove whitespace at the ends of lines, which no reader sees."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (" | ".join(map(str.ljust, row, widths)) for row in rows)
    return _trimmed("\n".join(lines))
