"""Runs the fold on a Spark session, reports its progress, and gives up if no executor comes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import frozen

from projector.errors import ProjectorError, SparkFailed, SparkUnreachable, WorkerUnfit
from replay.engines.engine import OnProgress
from replay.engines.spark import start
from replay.engines.spark.archive_fold import ArchiveWork, FoldResult
from replay.engines.spark.failures import translating
from replay.engines.spark.file_parts import FilePart
from replay.engines.spark.options import SparkOptions
from replay.engines.spark.probe import probe, require_fit

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

#: The time in which an executor must be there, in seconds: Spark itself would wait for ever. A
#: manager of machines (YARN, Kubernetes) may have to start some first.
EXECUTOR_SECONDS_MAX = 60.0
MANAGED_EXECUTOR_SECONDS_MAX = 600.0

#: The time between two looks at the progress, in seconds.
POLL_SECONDS = 0.5

T = TypeVar("T")


@frozen(kw_only=True)
class Session:
    """An open Spark session."""

    spark: SparkSession
    on_progress: OnProgress

    def check(self, work: ArchiveWork) -> None:
        """Raise WorkerUnfit if an executor cannot fold; SparkUnreachable if there is none."""
        context = self.spark.sparkContext
        tasks = 2 * max(context.defaultParallelism, 1)
        numbers = context.parallelize(range(tasks), tasks)
        try:
            answers = self._run(numbers.mapPartitions(probe(work)).collect, "checking Spark", tasks)
        except SparkFailed as error:
            raise WorkerUnfit(reason=error.details["reason"]) from error
        require_fit(work, answers)

    def fold(
        self, work: ArchiveWork, parts: Sequence[FilePart], partitions: int
    ) -> list[FoldResult]:
        """Read parts of files and fold their facts, which takes as many tasks as `partitions` says.

        Raises SparkFailed, SparkUnreachable, and errors of the tasks.
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
        rows = self._run(results.collect, "folding on Spark", len(parts) + partitions)
        return [tasks.to_result(row) for row in rows]

    def _run(self, work: Callable[[], T], phase: str, tasks: int) -> T:
        """Run what starts jobs of so many tasks, in another thread; report their progress."""
        context = self.spark.sparkContext
        # Jobs of others may run in the same session.
        group = f"projector-{secrets.token_hex(4)}"

        def grouped() -> T:
            context.setJobGroup(group, phase)
            return work()

        with translating(), ThreadPoolExecutor(1) as pool:
            result = pool.submit(grouped)
            try:
                return self._await(result, lambda: _tasks_done(context, group), phase, tasks)
            except BaseException:
                with _no_error():
                    context.cancelJobGroup(group)
                raise

    def _await(self, result: Future[T], tasks_done: Callable[[], int], phase: str, tasks: int) -> T:
        context = self.spark.sparkContext
        seen = time.monotonic()
        while True:
            try:
                return result.result(timeout=POLL_SECONDS)
            except TimeoutError:
                if result.done():
                    raise
            self.on_progress(phase, tasks_done(), tasks)
            if _count_executors(context) or str(context.master).startswith("local"):
                seen = time.monotonic()
            elif time.monotonic() - seen > _executor_seconds_max(context):
                seconds = f"{_executor_seconds_max(context):.0f} s"
                raise SparkUnreachable(
                    master=context.master, reason=f"it gave no executor within {seconds}"
                )


@contextmanager
def opened(
    options: SparkOptions, folder: Path, work: ArchiveWork, on_progress: OnProgress
) -> Iterator[Session]:
    """Start a session with fit executors; one that this process has already is used.

    What Spark's Java process prints goes to a file in `folder`. Raises SparkUnreachable,
    WorkerUnfit or SparkFailed.
    """
    on_progress("starting Spark", 0, 0)
    with start.session(options, folder / "spark.log") as spark:
        session = Session(spark=spark, on_progress=on_progress)
        session.check(work)
        yield session


@contextmanager
def _no_error() -> Iterator[None]:
    """Suppress errors of a Java process that may have ended."""
    with suppress(ProjectorError), translating():
        yield


def _executor_seconds_max(context: SparkContext) -> float:
    is_managed = not str(context.master).startswith("spark://")
    return MANAGED_EXECUTOR_SECONDS_MAX if is_managed else EXECUTOR_SECONDS_MAX


def _count_executors(context: SparkContext) -> int:
    """Count the executors; the driver's own entry is none."""
    java: Any = context._jsc
    return len(java.sc().statusTracker().getExecutorInfos()) - 1


def _tasks_done(context: SparkContext, group: str) -> int:
    """Count the completed tasks of a group's jobs."""
    tracker = context.statusTracker()
    jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(group)))
    stages = filter(None, (tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds))
    return sum(stage.numCompletedTasks for stage in stages)
