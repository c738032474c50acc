"""Rebuilds as processes that tell what they are at, to be disturbed there, and what they leave.

The processes of a rebuild are found by the URL in their environment, which no other test has.
"""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen
from sqlalchemy import inspect

from projector.projections import discover
from projector.projections.rebuilding import REPLACED
from projector.store.database import Database
from replay import verify
from replay.workspace import path_for
from tests.support.command import Done, environment
from tests.support.logs import sql

_WAIT_SECONDS_MAX = 30

#: The program with so many ranges and buckets that something always falls between some.
_CUT_SMALL = """
import replay.plan
replay.plan.RANGE_EVENTS_MAX = replay.plan.BUCKET_EVENTS = 200
"""

#: It tells each step and pauses there; while it indexes something comes in, to be caught up with.
_TELLS = """
import os, sys, time
from contextlib import contextmanager
import replay.fill, replay.swap
from projector.cli import progress
from projector.store import dead_letters
from projector.store.rebuild import shadow, swap
from projector.store.database import Database
from tests.support.given import append_webhooks, entered

@contextmanager
def bar(_label):
    yield tell

def tell(step, *_):
    if step == "indexing":
        database = Database(os.environ["PROJECTOR_DATABASE_URL"])
        number = str(time.time_ns())
        append_webhooks(database, entered("cust_1", "seg_1", at="2024-03-04T10:00:00Z", id=number))
        database.close()
    print(step, file=sys.stderr, flush=True)
    time.sleep(0.01)

def telling(step, do):
    def told(*arguments, **more):
        tell(step)
        return do(*arguments, **more)
    return told

replay.swap.TAIL_EVENTS_MAX = 0
progress.phases_bar = bar
replay.fill._store_piece = telling("taking", replay.fill._store_piece)
dead_letters.replace = telling("taking", dead_letters.replace)
swap.swap_names = telling("swapping", swap.swap_names)
shadow.drop = telling("dropping", shadow.drop)
"""

_RUNS = """
from projector.cli import main
main()
"""

#: The steps of a rebuild that can be waited for, in their order.
STEPS = [
    "starting",
    "scanning",
    "taking",
    "folding",
    "indexing",
    "catching up",
    "swapping",
    "dropping",
]


@frozen
class Rebuilding:
    """A rebuild that goes on in a process group of its own."""

    url: str
    process: subprocess.Popen[str]
    _told: list[str] = field(factory=list)

    def until(self, step: str) -> None:
        """Wait until it has come to a step, or in the first one until there are workers."""
        if step == "starting":
            within(_WAIT_SECONDS_MAX, lambda: bool(workers(self.url)))
            return
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._told.append(line)
            if line.strip() == step:
                return
        raise AssertionError(f"it never came to {step}: {self._told}")

    def kill(self) -> None:
        """SIGKILL, to nobody but the parent."""
        self.process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """What Ctrl-C does: SIGINT to parent and workers."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self, within_seconds: float = _WAIT_SECONDS_MAX) -> Done:
        """What came of it, without the steps that it told."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        try:
            self.process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        told = [*self._told, *self.process.stderr]
        err = "".join(line for line in told if line.strip() not in STEPS)
        out = self.process.stdout.read()
        self.process.stdout.close()
        self.process.stderr.close()
        return Done(self.process.returncode, out, err)


def start(
    url: str, *options: str, tells: bool = True, file_bytes_max: int | None = None
) -> Rebuilding:
    """Start a rebuild, by the parallel engine unless told otherwise.

    With `file_bytes_max` it cannot write larger files, as on a disk that is full.
    """
    options = options or ("--engine", "parallel", "--workers", "2")
    # What is cut small needs no large file.
    parts = ("" if file_bytes_max else _CUT_SMALL, _TELLS if tells else "", _RUNS)
    process = subprocess.Popen(
        [sys.executable, "-c", "".join(parts), "rebuild", "--json", *options],
        env=environment(PROJECTOR_DATABASE_URL=url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    if file_bytes_max is not None:
        # Before it has opened anything; its workers inherit it.
        limits = (file_bytes_max, file_bytes_max)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)
    return Rebuilding(url, process)


def processes(url: str) -> dict[int, str]:
    """The commands of the processes that have a URL in their environment, by process id."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"PROJECTOR_DATABASE_URL={url}\0".encode() in (process / "environ").read_bytes():
                found[int(process.name)] = (process / "cmdline").read_text()
        except OSError:
            # It has just ended, or is somebody else's.
            continue
    return found


def end_within(seconds: float, url: str) -> None:
    """Wait until no process of a rebuild lives; those that do so longer are killed, and a fault."""
    try:
        within(seconds, lambda: not processes(url))
    finally:
        for each in processes(url):
            os.kill(each, signal.SIGKILL)


def workers(url: str) -> list[int]:
    """The worker processes of a rebuild."""
    return [each for each, command in processes(url).items() if "spawn_main" in command]


def within(seconds: float, what: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.002)


def left(database: Database) -> list[str]:
    """What is there of a rebuild that is over: its tables, rows of its shadows, its files."""
    with database.reading() as connection:
        names = inspect(connection).get_table_names()
    tables = [each for each in names if each.endswith(("_shadow", REPLACED))]
    rows = [
        f"{name}: {row[0]}"
        for name in ("checkpoint", "dead_letter")
        for row in sql(database, f"SELECT projection FROM {name} WHERE projection LIKE '%shadow'")
    ]
    folder = path_for(database)
    return [*tables, *rows, *(str(each) for each in (folder, *folder.glob("*")) if each.exists())]


def is_right(database: Database) -> bool:
    """Whether the tables are what the log says, up to where they are."""
    return verify(database, discover()).is_right
