"""What running processes take: seconds of processors, and memory."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define

from tests.support.postgres import Server

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.2


@define
class Peak:
    """The greatest memory of a process and its children, so far."""

    megabytes: float = 0.0


@contextmanager
def watching(pid: int) -> Iterator[Peak]:
    """Look at a process's memory five times a second until the block ends."""
    peak, ended = Peak(), threading.Event()

    def watch() -> None:
        while not ended.is_set():
            family = (pid, *children(pid))
            peak.megabytes = max(peak.megabytes, sum(map(_resident, family)) / 1024)
            ended.wait(_LOOK_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def children(parent: int) -> list[int]:
    """List the processes that a process has started."""
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True)
    return [int(each) for each in found.stdout.split()]


def seconds_of(pid: int) -> float:
    """Return what a process and its ended children have taken of processors; 0 if it is gone."""
    return sum(_ticks(pid)) / _TICKS_A_SECOND


def seconds_of_server(server: Server | None) -> float:
    """Return what a Postgres server has taken of processors; 0 for none."""
    if server is None or server.process is None:
        return 0.0
    postmaster = server.process.pid
    own = sum(_ticks(postmaster))
    return (own + sum(sum(_ticks(pid)[:2]) for pid in children(postmaster))) / _TICKS_A_SECOND


def _ticks(pid: int) -> list[int]:
    """A process's user and system time, and those of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return [0]
    # The name, in brackets, may have blanks in it.
    return [int(each) for each in stat.rpartition(")")[2].split()[11:15]]


def _resident(pid: int) -> int:
    """The proportional share of memory, in kilobytes: pages of several processes count once."""
    try:
        with Path(f"/proc/{pid}/smaps_rollup").open() as file:
            return next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
    except (OSError, ProcessLookupError):
        return 0
