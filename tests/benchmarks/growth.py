"""What an event costs as the log grows: ten times the events of ten times the customers.

The time of processors is counted beside that of the clock, for all processes that have a part: on
a machine that does other things, too, it tells more.
"""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import frozen

from projector import open_projector
from projector.errors import CustomerNotFound
from tests.benchmarks.deliveries import deliveries
from tests.support.command import PROGRAM
from tests.support.postgres import Server

#: Customers have so many events each, on average.
_EVENTS_A_CUSTOMER = 10
_QUESTIONS = 2_000
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_REBUILD = ("rebuild", "--engine", "parallel", "--workers", "2")


@frozen
class Cost:
    """What one piece of work took, in microseconds for each event, or for each question."""

    database: str
    work: str
    #: How many the log has.
    events: int
    processors: float
    clock: float

    def line(self) -> str:
        """For people who wait."""
        return (
            f"{self.database:9} {self.work:9} {self.events:11,} events "
            f"{self.processors:9.1f} us of processors {self.clock:9.1f} us by the clock"
        )


def costs(
    database: str, new_url: Callable[[], str], sizes: Iterable[int], server: Server | None
) -> Iterator[Cost]:
    """Append, catch up, rebuild and read, in a new database for each size of the log."""
    for events in sizes:
        url, customers = new_url(), events // _EVENTS_A_CUSTOMER
        feed = deliveries(events, customers=customers)
        works: dict[str, Callable[[], float]] = {
            "append": partial(_run, url, "ingest", "--no-catch-up", "-", feed=feed),
            "catch-up": partial(_run, url, "ingest", "-"),
            "rebuild": partial(_run, url, *_REBUILD),
            "read": partial(_read, url, customers),
        }
        for work, do in works.items():
            before, start = _seconds_of(server), time.perf_counter()
            own = do()
            clock = time.perf_counter() - start
            # What a backend took is known of its server once it has ended.
            time.sleep(0.2)
            units = _QUESTIONS if work == "read" else events
            processors = own + _seconds_of(server) - before
            yield Cost(database, work, events, 1e6 * processors / units, 1e6 * clock / units)


def _run(url: str, *arguments: str, feed: Iterable[bytes] = ()) -> float:
    """Run a command; returns the seconds of processors that it and its workers took."""
    process = subprocess.Popen(
        [*PROGRAM, "--db", url, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.writelines(feed)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def _read(url: str, customers: int) -> float:
    """Ask for customers, one after the other."""
    random_ = random.Random(1)
    with open_projector(url) as projector:
        start = time.process_time()
        for _ in range(_QUESTIONS):
            # Of so many, a few have no event by chance.
            with suppress(CustomerNotFound):
                projector.customer(f"cust_{random_.randrange(customers):020d}")
        return time.process_time() - start


def _seconds_of(server: Server | None) -> float:
    """What a Postgres server took of processors until now; those of its own that ended count."""
    if server is None or server.process is None:
        return 0.0
    postmaster = server.process.pid
    found = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True)
    own = sum(_ticks(postmaster)[:4])
    return (own + sum(sum(_ticks(int(pid))[:2]) for pid in found.stdout.split())) / _TICKS_A_SECOND


def _ticks(pid: int) -> list[int]:
    """A process's user and system time, and those of its children that have ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return [0]
    # The name, in brackets, may have blanks in it.
    return [int(each) for each in stat.rpartition(")")[2].split()[11:15]]
