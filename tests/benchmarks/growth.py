"""What an event costs as the log grows: more events of more customers, ten each.

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
from itertools import islice

from attrs import evolve, frozen

from projector import open_projector
from projector.errors import CustomerNotFound
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.processes import seconds_of, seconds_of_server, watching
from tests.support.command import PROGRAM
from tests.support.postgres import Server

#: Customers have so many events each, on average.
_EVENTS_A_CUSTOMER = 10
_QUESTIONS = 2_000
#: In a longer log the catch-up is left out, because it is a rebuild.
_CATCH_UP_EVENTS_MAX = 1_000_000
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
    #: The greatest memory of the program's processes, without Postgres's; 0 for the reads.
    megabytes: float
    #: Of an append: microseconds of processors an event, tenth by tenth of the log.
    tenths: tuple[float, ...]

    def line(self) -> str:
        """For people who wait."""
        tenths = f" from {self.tenths[0]:.1f} to {self.tenths[-1]:.1f}" if self.tenths else ""
        memory = f" {self.megabytes:6,.0f} MB" if self.megabytes else ""
        return (
            f"{self.database:9} {self.work:9} {self.events:11,} events "
            f"{self.processors:9.1f} us of processors{tenths} {self.clock:9.1f} us by the clock"
            f"{memory}"
        )


@frozen
class _Spent:
    """What a piece of work took of this program's processes."""

    processors: float
    megabytes: float = 0.0
    tenths: tuple[float, ...] = ()


def costs(
    database: str, new_url: Callable[[], str], sizes: Iterable[int], server: Server | None
) -> Iterator[Cost]:
    """Append, catch up, rebuild and read, in a new database for each size of the log."""
    for events in sizes:
        url, customers = new_url(), events // _EVENTS_A_CUSTOMER
        feed = deliveries(events, customers=customers)
        works: dict[str, Callable[[], _Spent]] = {
            "append": partial(_append, url, feed, events, server),
            "catch-up": partial(_run, url, "ingest", "-"),
            "rebuild": partial(_run, url, *_REBUILD),
            "read": partial(_read, url, customers),
        }
        if events > _CATCH_UP_EVENTS_MAX:
            del works["catch-up"]
        for work, do in works.items():
            before, start = seconds_of_server(server), time.perf_counter()
            spent = do()
            clock = time.perf_counter() - start
            # What a backend took is known of its server once it has ended.
            time.sleep(0.2)
            units = _QUESTIONS if work == "read" else events
            processors = spent.processors + seconds_of_server(server) - before
            yield Cost(
                database,
                work,
                events,
                1e6 * processors / units,
                1e6 * clock / units,
                spent.megabytes,
                spent.tenths,
            )


def _append(url: str, feed: Iterator[bytes], events: int, server: Server | None) -> _Spent:
    """Ingest deliveries by a pipe, and look after each tenth of them."""
    tenths: list[float] = []

    def write(process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        before = seconds_of_server(server)
        for _ in range(10):
            # Each delivery is a line and its end. The pipe holds few of them.
            process.stdin.writelines(islice(feed, 2 * events // 10))
            now = seconds_of(process.pid) + seconds_of_server(server)
            tenths.append(1e6 * (now - before) / (events / 10))
            before = now

    spent = _run(url, "ingest", "--no-catch-up", "-", write=write)
    return evolve(spent, tenths=tuple(tenths))


def _run(
    url: str,
    *arguments: str,
    write: Callable[[subprocess.Popen[bytes]], None] = lambda _process: None,
) -> _Spent:
    """Run a command; returns what it and its workers took."""
    process = subprocess.Popen(
        [*PROGRAM, "--db", url, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert process.stdin is not None
    with watching(process.pid) as peak:
        with process.stdin:
            write(process)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return _Spent(usage.ru_utime + usage.ru_stime, peak.megabytes)


def _read(url: str, customers: int) -> _Spent:
    """Ask for customers, one after the other."""
    random_ = random.Random(1)
    with open_projector(url) as projector:
        start = time.process_time()
        for _ in range(_QUESTIONS):
            # Of so many, a few have no event by chance.
            with suppress(CustomerNotFound):
                projector.customer(f"cust_{random_.randrange(customers):020d}")
        return _Spent(time.process_time() - start)
