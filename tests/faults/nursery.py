"""Processes that begin with all modules imported: to import them takes longer than a case does."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NoReturn

from attrs import define, frozen

from tests.support.command import Done

_MESSAGE_BYTES_MAX = 100_000
_DEAD_SECONDS_MAX = 60
_ROOT = Path(__file__).parent.parent.parent


@define(eq=False)
class Process:
    """A process that was born there."""

    pid: int
    _wire: socket.socket
    _out: int
    _err: int
    _code: int | None = None

    def kill(self) -> None:
        """SIGKILL, if it still lives."""
        if not self.has_ended(0):
            os.kill(self.pid, signal.SIGKILL)
            assert self.has_ended(_DEAD_SECONDS_MAX)

    def has_ended(self, within_seconds: float) -> bool:
        """Wait until it has, or for so long."""
        if self._code is None:
            self._wire.settimeout(within_seconds or 0.001)
            with suppress(TimeoutError):
                self._code = int(self._wire.recv(_MESSAGE_BYTES_MAX))
        return self._code is not None

    def result(self) -> Done:
        """What came of one that has ended, and whose children have."""
        assert self._code is not None
        told = []
        for each in (self._out, self._err):
            with os.fdopen(each) as file:
                told.append(file.read())
        return Done(self._code, *told)


@frozen
class Nursery:
    """Where processes are born."""

    _wire: socket.socket

    def bear(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Start a process; one at a time."""
        out, err = os.pipe(), os.pipe()
        what = json.dumps([arguments, dict(environment)]).encode()
        self._wire.settimeout(None)
        socket.send_fds(self._wire, [what], [out[1], err[1]])
        os.close(out[1])
        os.close(err[1])
        return Process(int(self._wire.recv(_MESSAGE_BYTES_MAX)), self._wire, out[0], err[0])


@contextmanager
def running() -> Iterator[Nursery]:
    """A nursery of `tests.faults.child`."""
    mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        closing(mine),
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.child"], cwd=_ROOT, stdin=its.fileno()
        ),
    ):
        its.close()
        yield Nursery(mine)
        mine.close()


def serve(begin: Callable[[list[str]], NoReturn]) -> None:
    """Bear processes, one after the other, until nobody asks any more."""
    wire = socket.socket(fileno=0)
    while True:
        what, files, *_ = socket.recv_fds(wire, _MESSAGE_BYTES_MAX, 2)
        if not what:
            return
        arguments, environment = json.loads(what)
        pid = os.fork()
        if pid == 0:
            for number, file in enumerate([os.open(os.devnull, os.O_RDONLY), *files]):
                os.dup2(file, number)
                os.close(file)
            # Python remembers what kind of files they were.
            sys.stdout, sys.stderr = (os.fdopen(each, "w", closefd=False) for each in (1, 2))
            os.environ.clear()
            os.environ.update(environment)
            begin(arguments)
        for file in files:
            os.close(file)
        wire.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        wire.send(str(os.waitstatus_to_exitcode(status)).encode())
