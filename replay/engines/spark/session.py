"""Starts a Spark session, checks what it runs on, and runs a fold on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from projector.errors import SparkUnreachable
from replay.engines.engine import OnProgress
from replay.engines.spark import install
from replay.engines.spark.archive_fold import ArchiveWork, FilePart, FoldResult
from replay.engines.spark.failures import translating
from replay.engines.spark.options import SparkOptions
from replay.engines.spark.probe import require_fit

if TYPE_CHECKING:
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

#: The time in which an executor must be there, in seconds. Spark itself would wait for ever.
EXECUTOR_SECONDS_MAX = 60.0

#: The time between two looks at the progress, in seconds.
POLL_SECONDS = 0.5

#: The settings of a session; those that a user gives win.
_SETTINGS = {
    "spark.log.level": "ERROR",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # The bodies of a row group at the most.
    "spark.sql.execution.arrow.maxRecordsPerBatch": "2000",
    # The partitions are as many as the plan says.
    "spark.sql.adaptive.enabled": "false",
}

_LOCAL_SETTINGS = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}


@frozen(kw_only=True)
class Session:
    """An open Spark session with fit executors."""

    spark: SparkSession
    is_local: bool
    on_progress: OnProgress

    def fold(
        self, work: ArchiveWork, parts: Sequence[FilePart], partitions: int
    ) -> list[FoldResult]:
        """Read parts of files and fold their facts, which takes as many tasks as `partitions` says.

        Raises SparkFailed, SparkUnreachable.
        """
        from replay.engines.spark import tasks

        facts = self.spark.range(0, len(parts), numPartitions=len(parts)).mapInArrow(
            partial(tasks.read, work, parts), tasks.FACTS_DDL
        )
        results = (
            facts.repartition(partitions, "stream")
            .sortWithinPartitions("stream", "at", "event_id")
            .mapInArrow(partial(tasks.fold, work), tasks.RESULTS_DDL)
        )
        with translating():
            rows = self._collect(results, tasks=len(parts) + partitions)
        return [tasks.to_result(row) for row in rows]

    def _collect(self, frame: Any, tasks: int) -> list[Any]:
        """Collect the rows of a frame in another thread, and report the progress meanwhile."""
        context = self.spark.sparkContext
        last_seen = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            rows = pool.submit(frame.collect)
            try:
                while True:
                    try:
                        found: list[Any] = rows.result(timeout=POLL_SECONDS)
                    except TimeoutError:
                        self.on_progress("folding on Spark", _tasks_done(context), tasks)
                        if self.is_local or count_executors(context):
                            last_seen = time.monotonic()
                        elif time.monotonic() - last_seen > EXECUTOR_SECONDS_MAX:
                            raise _no_executor(context) from None
                    else:
                        return found
            except BaseException:
                context.cancelAllJobs()
                raise


@contextmanager
def opened(
    options: SparkOptions, folder: Path, work: ArchiveWork, on_progress: OnProgress
) -> Iterator[Session]:
    """Start a session and check its executors; a session that this process has already is used.

    What Spark's Java process prints goes to a file in `folder`. Raises SparkUnreachable,
    WorkerUnfit or SparkFailed.
    """
    from pyspark.sql import SparkSession

    on_progress("starting Spark", 0, 0)
    install.require_reachable(options.master)
    existing = SparkSession.getActiveSession()
    with _existing(existing) if existing else _started(options, folder) as spark:
        is_local = str(spark.sparkContext.master).startswith("local")
        if not is_local:
            _await_executor(spark.sparkContext)
        require_fit(spark.sparkContext, work)
        yield Session(spark=spark, is_local=is_local, on_progress=on_progress)


@contextmanager
def _existing(spark: SparkSession) -> Iterator[SparkSession]:
    yield spark


@contextmanager
def _started(options: SparkOptions, folder: Path) -> Iterator[SparkSession]:
    import signal

    from pyspark import SparkConf, SparkContext, java_gateway
    from pyspark.sql import SparkSession

    conf = _configure(SparkConf(), options)
    before = signal.getsignal(signal.SIGINT)
    with (folder / "spark.log").open("wb") as log, translating(folder / "spark.log"):
        launch: Any = java_gateway.launch_gateway  # untyped
        gateway = launch(conf, {"stdout": log, "stderr": log})
        try:
            context = SparkContext(conf=conf, gateway=gateway)
            try:
                # The context has set a handler of its own, and this one ends the rebuild as well.
                signal.signal(signal.SIGINT, before)
                yield SparkSession(context)
            finally:
                context.stop()
        finally:
            _end(gateway)


def _configure(conf: SparkConf, options: SparkOptions) -> SparkConf:
    # Without it, executors start the first `python3` on their PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = _SETTINGS | (_LOCAL_SETTINGS if options.is_local else {}) | dict(options.conf)
    conf.setAppName("customer-state-projector").setMaster(options.master)
    return conf.setAll([*settings.items()])


def _end(gateway: Any) -> None:
    """End the Java process, so that the next session gets one with its own settings."""
    from pyspark import SparkContext

    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None


def _await_executor(context: SparkContext) -> None:
    deadline = time.monotonic() + EXECUTOR_SECONDS_MAX
    while not count_executors(context):
        if time.monotonic() > deadline:
            raise _no_executor(context)
        time.sleep(POLL_SECONDS)


def _no_executor(context: SparkContext) -> SparkUnreachable:
    reason = f"it gave no executor within {EXECUTOR_SECONDS_MAX:.0f} s"
    return SparkUnreachable(master=context.master, reason=reason)


def count_executors(context: SparkContext) -> int:
    """Count the executors; the driver's own entry is none."""
    java: Any = context._jsc
    return len(java.sc().statusTracker().getExecutorInfos()) - 1


def _tasks_done(context: SparkContext) -> int:
    """Count the completed tasks of all stages."""
    tracker = context.statusTracker()
    jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(None)))
    stages = filter(None, (tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds))
    return sum(stage.numCompletedTasks for stage in stages)
