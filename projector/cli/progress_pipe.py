"""Reports the progress of a command to the process that started it, by a pipe.

A server starts commands with `--progress-fd`. Each report is a line of JSON with `phase`, `done`
and `total`. Once nobody reads the pipe, the server has ended, and the command ends too.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time

import msgspec

#: The shortest time between two reports of a phase, in seconds.
_INTERVAL_SECONDS = 0.2

#: The time in which a command that was interrupted can remove its files and tables, in seconds.
_GRACE_SECONDS = 5.0


class ProgressPipe:
    """The end of a pipe to which reports are written."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._phase: str | None = None
        self._reported_at = float("-inf")

    def report(self, phase: str, done: int, total: int | None = None) -> None:
        """Report how far a phase is; most reports in quick succession are left out."""
        now = time.monotonic()
        is_last = total is not None and done >= total
        is_due = now - self._reported_at >= _INTERVAL_SECONDS
        if phase == self._phase and not is_due and not is_last:
            return
        self._phase, self._reported_at = phase, now
        line = msgspec.json.encode({"phase": phase, "done": done, "total": total or None})
        try:
            os.write(self._fd, line + b"\n")
        except OSError:
            # The reader is gone: the other thread ends this process.
            return

    def watch(self) -> None:
        """Interrupt this process, in another thread, once the pipe has no reader any more."""
        threading.Thread(target=self._end_with_the_reader, daemon=True).start()

    def _end_with_the_reader(self) -> None:
        poll = select.poll()
        # No event is asked for: an error, which the missing reader is, is always reported.
        poll.register(self._fd, 0)
        poll.poll()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(_GRACE_SECONDS)
        os._exit(1)
