"""A driver of a Spark cluster as a process, and the attempts at its tasks."""

import os
import subprocess

from attrs import frozen

from tests.support.command import Done
from tests.support.processes import end_sessions

#: Of one rebuild, on a machine that does other things, too.
RUN_SECONDS_MAX = 240


@frozen
class Attempt:
    """An attempt at a task, that has ended."""

    #: Spark's word, such as `Success`, `ExceptionFailure` or `ExecutorLostFailure`.
    end: str
    is_speculative: bool


@frozen
class Driver:
    """A driver that runs."""

    process: subprocess.Popen[bytes]
    _out: int
    _err: int

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL, to the Python process alone."""
        self.process.kill()
        self.process.wait()

    def ended(self, within_seconds: float = RUN_SECONDS_MAX) -> Done:
        """Wait until it has ended; return its exit code and output."""
        try:
            code = self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            end_sessions({self.process.pid})
            self.process.wait()
            raise AssertionError(f"It did not end: {self.told}") from None
        return Done(code, _read(self._out), self.told)

    @property
    def told(self) -> str:
        """Everything that it has written to stderr."""
        return _read(self._err)


def _read(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).decode(errors="replace")
