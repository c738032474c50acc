"""`projector run` as processes, at a pace that tests can wait for, to be disturbed."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support.command import environment

#: How long a silence may last for those processes, in seconds.
LEASE_SECONDS = 2.0

#: The program, which waits less, and folds so little at a time that what disturbs it falls between.
_QUICK = f"""
from projector.runner import follower
from projector.cli import main
from projector.cli.commands import run
follower.SQLITE_INTERVALS = follower.POSTGRES_INTERVALS = follower.Intervals(
    heartbeat_seconds=0.2, lease_seconds={LEASE_SECONDS}, poll_seconds=0.1, retry_seconds_max=0.5
)
follower.LIVE_BATCH_EVENTS_MAX = 50
run.IDLE_SECONDS_MAX = 1.0
main()
"""


@frozen
class Running:
    """A process that follows."""

    process: subprocess.Popen[bytes]
    #: What it told when it began.
    begun: str

    @property
    def holder(self) -> str:
        """Its name on the lease."""
        found = re.match(r"(\S+) follows ", self.begun)
        assert found is not None, self.begun
        return found[1]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self, number: signal.Signals) -> tuple[int, str]:
        """End it by a signal; returns its exit code and what it told since it began."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=30)
        return self.process.returncode, err.decode()


@contextmanager
def running(url: str, folder: Path) -> Iterator[Running]:
    """A process that follows, and has told so; in the end it is there no more."""
    process = subprocess.Popen(
        [sys.executable, "-c", _QUICK, "run"],
        cwd=folder,
        env=environment(PROJECTOR_DATABASE_URL=url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with process:
        try:
            assert process.stderr is not None
            yield Running(process, process.stderr.readline().decode())
        finally:
            # Also when it is stopped.
            process.kill()
