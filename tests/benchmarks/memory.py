"""The greatest memory of commands that go through the whole log: a process of its own each."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.benchmarks.deliveries import deliveries

_COMMANDS = (["rebuild"], ["verify"], ["export", "customers"])


def run(folder: Path, *, events: int, customers: int) -> None:
    """Print the greatest resident memory of an ingest by a pipe, and of what comes after it."""
    url = f"sqlite:///{folder / 'memory.db'}"
    _measure(url, ["ingest", "-"], deliveries(events, customers=customers))
    for command in _COMMANDS:
        _measure(url, command)
    print(f"{'':28} ({events:,} events, {customers:,} customers)")


def _measure(url: str, command: list[str], stdin: Iterable[bytes] = ()) -> None:
    program = "from projector.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--db", url, *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.writelines(stdin)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    name = f"sqlite memory, {command[0]}"
    print(f"{name:28} {usage.ru_maxrss / 1024:,.0f} MB", flush=True)
