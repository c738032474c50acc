"""Worker processes on this machine, in two rounds.

In the first one each scans ranges of positions, in the order of the disk, and spills what the folds
need into buckets by stream. In the second one each takes a bucket, sorts and folds it. What is in
memory is a range or a bucket for each worker, however long the log is. See docs/adr/0007.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from projector.errors import EventsLost, WorkerDied
from projector.store import customers
from projector.store.database import Database
from replay import spill, workspace
from replay.engines import buckets
from replay.engines.engine import EnginePiece, Job
from replay.plan import PositionRange, RebuildPlan
from replay.spill import Assignment
from replay.workspace import spilling

T = TypeVar("T")
R = TypeVar("R")


def run(job: Job) -> Iterator[EnginePiece]:
    """Scan all ranges, then fold all buckets."""
    plan = job.plan
    with _pool(job) as pool:
        # They start while this process has something else to do.
        for _ in range(job.workers):
            _submit(pool, _warm_up)
        with (
            job.database.reading() as connection,
            # Before the connection, whatever happens: otherwise the driver complains.
            closing(customers.in_order(connection)) as in_order,
            spilling(job.folder),
        ):
            spill.assign(job.folder, plan.streams, plan.buckets, in_order)
        spilled = 0
        ranges = list(plan.ranges())
        for cut, events in zip(ranges, _in_order(pool, _scan, ranges, job.workers), strict=True):
            spilled += events
            job.on_progress("scanning", cut.last, plan.until)
        done = 0
        for events, piece in _in_order(pool, _fold_bucket, range(plan.buckets), job.workers):
            yield piece
            done += events
            job.on_progress("folding", done, spilled)
    if done != spilled:
        raise EventsLost(found=done, expected=spilled)


def _in_order(
    pool: ProcessPoolExecutor, task: Callable[[T], R], items: Iterable[T], workers: int
) -> Iterator[R]:
    """The results in the order of the items; not more is done in advance than keeps all busy."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(_submit(pool, task, item))
        if len(waiting) > 2 * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _submit(pool: ProcessPoolExecutor, task: Callable[..., R], *items: object) -> Future[R]:
    """Submit a task, for which the pool may start a worker.

    Ctrl-C is the parent's to handle: a worker never gets it, not even while it starts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(task, *items)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _pool(job: Job) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin with nothing: connections must not be shared with a parent."""
    url = job.database.url.render_as_string(hide_password=False)
    pool = ProcessPoolExecutor(
        job.workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_worker,
        initargs=(url, job.plan, job.folder),
    )
    try:
        yield pool
    except BrokenProcessPool as error:
        raise WorkerDied from error
    finally:
        pool.shutdown(cancel_futures=True)


# What follows runs in the workers.


class _Worker:
    """What a worker process has: its job, and which bucket each stream is in."""

    job: Job
    bucket_of: Sequence[int] | None = None


def _start_worker(url: str, plan: RebuildPlan, folder: Path) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    workspace.join(folder)
    # As the command line does.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    _Worker.job = Job(
        database=Database(url), plan=plan, folder=folder, workers=1, on_progress=_ignore
    )


def _end_with_the_parent() -> None:
    """Nobody waits for the results of a worker whose parent was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm_up() -> None:
    """Nothing more: the imports are what takes time."""


def _scan(cut: PositionRange) -> int:
    if _Worker.bucket_of is None:
        _Worker.bucket_of = Assignment(_Worker.job.folder).bucket_of
    return buckets.scan(_Worker.job, _Worker.bucket_of, cut)


def _fold_bucket(bucket: int) -> tuple[int, EnginePiece]:
    return buckets.fold_bucket(_Worker.job, bucket)


def _ignore(_phase: str, _done: int, _total: int) -> None:
    """Only the parent tells how far things are."""
