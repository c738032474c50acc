"""Runs a command of this program as a child process, which ends with this process.

A rebuild takes long, and all memory and processors that it gets: it must not do so in a thread of
a server, and must be easy to end.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import IO

import msgspec
from attrs import frozen

from projector.config import DATABASE_URL_VARIABLE, SECRET_VARIABLES

#: The program, imported from where it is installed and not from the current folder (`-P`).
_PROGRAM = (sys.executable, "-P", "-c", "from projector.cli import main; main()")

_READ_BYTES = 64 * 1024

#: The longest stderr that is read, in bytes.
_ERRORS_BYTES_MAX = 64 * 1024


class Report(msgspec.Struct, frozen=True):
    """A report of the command's progress; see `projector.cli.progress_pipe`."""

    phase: str
    done: int
    total: int | None


@frozen(kw_only=True)
class CommandEnd:
    """What a command left."""

    #: Negative if a signal ended it.
    exit_code: int
    out: bytes
    err: str


class ChildCommand:
    """A command that runs. Close it in any case."""

    def __init__(
        self, arguments: Sequence[str], database_url: str, *, secrets: Collection[str] = ()
    ) -> None:
        """Start it; the URL, which may hold a password, is in its environment only.

        `secrets` are the names of those secret variables of this process that it gets.
        """
        self._out, self._err = _file(), _file()
        self._pipe, other_end = os.pipe()
        self._rest = b""
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the arguments are those of a request
                # Options come first: behind `--` all are values.
                [*_PROGRAM, f"--progress-fd={other_end}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._out,
                stderr=self._err,
                env=_environment(os.environ, database_url, secrets),
                pass_fds=(other_end,),
                # A group of its own: it is killed with its worker processes, and Ctrl-C in a
                # terminal goes to the server alone, which then ends it.
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(other_end)

    def wait(self, seconds: float) -> tuple[bool, Report | None]:
        """Wait for an event; return whether the command runs, and its last report if there is one.

        Returns after `seconds`, earlier after a report or the end.
        """
        readable, _, _ = select.select([self._pipe], [], [], seconds)
        if not readable:
            return self._process.poll() is None, None
        text = os.read(self._pipe, _READ_BYTES)
        if not text:
            # It has ended, or is about to.
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return self._process.poll() is None, None
        *lines, self._rest = (self._rest + text).split(b"\n")
        report = msgspec.json.decode(lines[-1], type=Report) if lines else None
        return True, report

    def interrupt(self) -> None:
        """Let it stop as by Ctrl-C: it removes its tables and files."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> CommandEnd:
        """Return what it left, once it has ended."""
        size = self._err.seek(0, os.SEEK_END)
        self._err.seek(max(size - _ERRORS_BYTES_MAX, 0))
        errors = self._err.read().decode("utf-8", "replace")
        self._out.seek(0)
        return CommandEnd(exit_code=self._process.wait(), out=self._out.read(), err=errors)

    def close(self) -> None:
        """Kill what is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._pipe)
        self._out.close()
        self._err.close()


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile()


def _environment(
    own: Mapping[str, str], database_url: str, secrets: Collection[str]
) -> dict[str, str]:
    left_out = {*SECRET_VARIABLES}.difference(secrets)
    kept = {name: value for name, value in own.items() if name not in left_out}
    return {**kept, DATABASE_URL_VARIABLE: database_url}
