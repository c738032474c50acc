"""`projector serve` as a process of its own, with shorter waits than the users'."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tests.concurrency.rebuilds import within
from tests.serving.talking import Answer, ask, get
from tests.support.command import environment

#: Of the webhooks.
SECRET = "secretKey"

#: A condition that is sure to come true is waited for at the most so long, in seconds.
LONG = 60.0

#: How long a projector may be silent with QUICK, in seconds.
LEASE_SECONDS = 2.0

#: Waits that tests can wait for: a twentieth of the users', or a little more.
QUICK = f"""
from functools import partial
from projector.cli.commands import run, serve
from projector.runner import follower, lease_monitor
from projector.server import bodies, bulk, connections, health
from projector.server import main as server_main
follower.SQLITE_INTERVALS = follower.POSTGRES_INTERVALS = follower.Intervals(
    heartbeat_seconds=0.2, lease_seconds={LEASE_SECONDS}, poll_seconds=0.1, retry_seconds_max=0.5
)
health.LeaseMonitor = partial(lease_monitor.LeaseMonitor, lease_seconds={LEASE_SECONDS})
health.LOOK_SECONDS = 0.2
run.LOCK_SECONDS_MAX = serve.LOCK_SECONDS_MAX = 1.0
run.IDLE_SECONDS_MAX = serve.IDLE_SECONDS_MAX = 2.0
connections.HEADERS_SECONDS_MAX = connections.UNREAD_SECONDS_MAX = 1.0
connections.LINGER_SECONDS_MAX = 0.5
bodies.BODY_SECONDS_MAX = bulk.SILENCE_SECONDS_MAX = 1.0
server_main.KEEP_ALIVE_SECONDS = 1
"""

_RUNS = """
from projector.cli import main
main()
"""


@frozen
class Serving:
    """A process that serves."""

    process: subprocess.Popen[str]
    port: int
    #: What it has told on stderr so far, line by line.
    told: list[str] = field(factory=list)

    def get(self, path: str) -> Answer:
        """Ask for something on a connection of its own."""
        return ask(self.port, get(path))

    def is_ready(self) -> bool:
        """Whether it calls itself ready."""
        return self.get("/health/ready").status == 200

    def readiness(self) -> dict[str, Any]:
        """What it says of its health."""
        found: dict[str, Any] = self.get("/health/ready").json
        return found

    def memory_peak_bytes(self) -> int:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [kilobytes] = re.findall(r"VmHWM:\s+(\d+) kB", status)
        return int(kilobytes) * 1024

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def ended(self, within_seconds: float = LONG) -> int:
        """Wait until it has ended by itself; returns its exit code."""
        return self.process.wait(within_seconds)

    def tracebacks(self) -> list[str]:
        """The errors that it did not expect."""
        return [line for line in self.told if "Traceback" in line or '"level":"error"' in line]


@contextmanager
def serving(
    url: str, *options: str, changes: str = QUICK, port: int = 0, secrets: str = SECRET
) -> Iterator[Serving]:
    """A server that listens; `changes` is a program of its bounds. It is killed in the end."""
    process = start(url, "serve", "--port", str(port), *options, changes=changes, secrets=secrets)
    with process:
        try:
            yield listening(process)
        finally:
            # Also when it is stopped.
            process.kill()


def start(
    url: str, *command: str, changes: str = QUICK, secrets: str = SECRET
) -> subprocess.Popen[str]:
    """Start the program."""
    return subprocess.Popen(
        [sys.executable, "-c", changes + _RUNS, *command],
        env=environment(PROJECTOR_DATABASE_URL=url, PROJECTOR_WEBHOOK_SECRET=secrets),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(process: subprocess.Popen[str]) -> Serving:
    """Wait until a server listens."""
    told: list[str] = []
    assert process.stderr is not None
    for line in process.stderr:
        told.append(line)
        if found := re.match(r"Listening on http://127\.0\.0\.1:(\d+);", line):
            # Somebody must read what it tells, or it waits for that in the end.
            threading.Thread(target=_read, args=(process, told), daemon=True).start()
            return Serving(process, int(found[1]), told)
    raise AssertionError(f"it does not listen: {''.join(told)}")


def _read(process: subprocess.Popen[str], told: list[str]) -> None:
    assert process.stderr is not None
    # It may be closed meanwhile.
    with contextlib.suppress(ValueError):
        told.extend(process.stderr)


def until_ready(*servers: Serving) -> None:
    """Wait until servers call themselves ready."""
    for each in servers:
        within(LONG, each.is_ready)


@contextmanager
def projecting(url: str, *, changes: str = QUICK) -> Iterator[subprocess.Popen[str]]:
    """`projector run` as a process; it is killed in the end."""
    with start(url, "run", changes=changes) as process:
        try:
            assert process.stderr is not None
            assert " follows " in process.stderr.readline()
            threading.Thread(target=_read, args=(process, []), daemon=True).start()
            yield process
        finally:
            process.kill()


def problem(answer: Answer) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return answer.status, json.loads(answer.body)["code"]
