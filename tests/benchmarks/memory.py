"""The greatest memory of an ingest with its projection: a process of its own, fed by a pipe."""

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.deliveries import deliveries


def run(folder: Path, *, events: int, customers: int) -> None:
    """Print the greatest resident memory of `projector ingest -`, in megabytes."""
    command = "from projector.cli import main; main()"
    url = f"sqlite:///{folder / 'memory.db'}"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "--db", url, "ingest", "-", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.writelines(deliveries(events, customers=customers))
    assert process.stdout is not None
    report = process.stdout.read().decode().strip()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    print(f"{'sqlite memory of an ingest':28} {usage.ru_maxrss / 1024:,.0f} MB   {report}")
