"""The processes of sessions, as Linux tells them; a process that has ended is none of them."""

import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

from attrs import frozen

_END_SECONDS_MAX = 30


@frozen
class Process:
    """A process that was there just now."""

    pid: int
    parent: int
    session: int
    #: Its command.
    words: str

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    @property
    def peak_bytes(self) -> int:
        """The most memory that it has had so far (resident), in bytes; 0 once it has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
        except OSError:
            return 0
        return 1024 * sum(
            int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")
        )


def in_sessions(sessions: Collection[int]) -> list[Process]:
    """Return the processes of sessions; zombies are none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The name of the program, in parentheses, may have spaces and parentheses.
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            words = (folder / "cmdline").read_text(errors="replace").replace("\0", " ")
        except OSError:
            continue
        state, parent, session = fields[0], int(fields[1]), int(fields[3])
        if session in sessions and state not in "ZX":
            found.append(Process(int(folder.name), parent, session, words))
    return found


def end_sessions(sessions: Collection[int]) -> None:
    """Kill all processes of sessions, those that appear meanwhile included."""
    deadline = time.monotonic() + _END_SECONDS_MAX
    while left := in_sessions(sessions):
        if time.monotonic() > deadline:
            raise RuntimeError(f"These processes cannot be killed: {left}")
        for each in left:
            each.signal(signal.SIGKILL)
        time.sleep(0.02)
