"""What a rebuild on a real Spark cluster takes: the time of all its processes, and its shuffle."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import define, field, frozen

from tests.benchmarks.processes import seconds_of_server
from tests.support.postgres import Server
from tests.support.processes import Process, in_sessions
from tests.support.spark import Cluster

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_LOOK_SECONDS = 0.1


@frozen(kw_only=True)
class SparkCost:
    """The seconds of processors of one rebuild, by kind of process."""

    database: str
    events: int
    executor_jvms: float
    executor_pythons: float
    driver_jvm: float
    #: The driver's Python, and the database's server.
    driver_python: float
    clock_seconds: float
    shuffle_bytes: int
    memory_bytes_max: int

    @property
    def cluster(self) -> float:
        """The seconds of the executors."""
        return self.executor_jvms + self.executor_pythons

    def line(self) -> str:
        """The cost in a line."""
        return (
            f"{self.database:9} Spark, {self.events:,} events: executors' Java "
            f"{self.executor_jvms:.1f} s, their Python {self.executor_pythons:.1f} s; driver's "
            f"Java {self.driver_jvm:.1f} s, its Python and the server {self.driver_python:.1f} s; "
            f"{self.clock_seconds:.0f} s by the clock; shuffled "
            f"{self.shuffle_bytes / self.events:.0f} bytes an event; at most "
            f"{self.memory_bytes_max / 2**20:.0f} MiB in one Python of an executor"
        )


@define
class _Meter:
    """The seconds of each process of some sessions, as last seen."""

    sessions: set[int]
    seconds: dict[int, float] = field(factory=dict)
    kinds: dict[int, str] = field(factory=dict)

    def look(self) -> None:
        """Look at all processes once."""
        for each in in_sessions(self.sessions):
            self.kinds[each.pid] = _kind(each)
            self.seconds[each.pid] = max(self.seconds.get(each.pid, 0.0), _own_seconds(each.pid))

    def of(self, kind: str) -> float:
        """The seconds of all processes of a kind."""
        return sum(self.seconds[pid] for pid, each in self.kinds.items() if each == kind)


def measure(
    cluster: Cluster, name: str, url: str, archive: str, events: int, server: Server | None
) -> SparkCost:
    """Rebuild a database from its archive on the cluster."""
    before = seconds_of_server(server)
    driver = cluster.start(
        cluster.folder,
        "rebuild",
        "--engine",
        "spark",
        "--spark",
        cluster.master,
        "--archive",
        archive,
        "--json",
        variables={"PROJECTOR_DATABASE_URL": url},
    )
    sessions = {each.pid for each in cluster.programs} | {driver.process.pid}
    with _looking(_Meter(sessions)) as meter:
        done = driver.ended(within_seconds=3_600)
    cluster.until_idle()
    if done.code:
        raise RuntimeError(done.err)
    report = json.loads(done.out)
    return SparkCost(
        database=name,
        events=events,
        executor_jvms=meter.of("executor"),
        executor_pythons=meter.of("python"),
        driver_jvm=meter.of("driver's Java"),
        driver_python=meter.of("driver") + seconds_of_server(server) - before,
        clock_seconds=report["seconds"],
        shuffle_bytes=_shuffle_bytes(cluster),
        memory_bytes_max=report["engine_cost"]["memory_bytes_max"],
    )


@contextmanager
def _looking(meter: _Meter) -> Iterator[_Meter]:
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(_LOOK_SECONDS):
            meter.look()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield meter
    finally:
        ended.set()
        thread.join()


def _kind(process: Process) -> str:
    words = process.words
    if "CoarseGrainedExecutorBackend" in words:
        return "executor"
    if "pyspark.daemon" in words:
        return "python"
    if "SparkSubmit" in words:
        return "driver's Java"
    if ".deploy." in words:
        return "cluster"
    return "driver"


def _own_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, stat.rpartition(")")[2].split()[11:13])) / _TICKS_A_SECOND


def _shuffle_bytes(cluster: Cluster) -> int:
    newest = max((cluster.folder / "events").iterdir(), key=lambda each: each.stat().st_mtime_ns)
    ends = (json.loads(line) for line in newest.read_text().splitlines() if "TaskEnd" in line)
    return sum(
        each["Task Metrics"]["Shuffle Write Metrics"]["Shuffle Bytes Written"] for each in ends
    )
