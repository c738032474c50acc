"""Folds the log in worker processes on this machine, in two rounds (as in map and reduce).

In the first round, workers scan ranges of positions, in the order of the disk, and spill what folds
need into buckets by stream. In the second, each worker takes a bucket, sorts it and folds it.
Memory is bounded by one range or bucket for each worker, whatever the size of the log. See
docs/adr/0007.
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
from replay.engines.engine import Engine, EnginePiece, Job
from replay.plan import PositionRange, RebuildPlan
from replay.spill import Assignment
from replay.workspace import spilling

T = TypeVar("T")
R = TypeVar("R")


def run(job: Job) -> Iterator[EnginePiece]:
    """Scan all ranges, then fold all buckets; raises EventsLost, SpillUnwritable, WorkerDied."""
    plan = job.plan
    with _pool(job) as pool:
        # Workers start while this process assigns the streams.
        for _ in range(job.workers):
            _submit(pool, _warm_up)
        with (
            job.database.reading() as connection,
            # Closed before the connection, also after an error: otherwise the driver warns.
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


ENGINE = Engine(name="parallel", run=run)


def _in_order(
    pool: ProcessPoolExecutor, task: Callable[[T], R], items: Iterable[T], workers: int
) -> Iterator[R]:
    """Yield the results in the order of the items.

    Backpressure: at most two tasks for each worker are pending ahead of the result that is awaited.
    """
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(_submit(pool, task, item))
        if len(waiting) > 2 * workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _submit(pool: ProcessPoolExecutor, task: Callable[..., R], *items: object) -> Future[R]:
    """Submit a task with SIGINT blocked: the pool may start a worker, which inherits the mask.

    So only the parent handles Ctrl-C; a worker never gets it, not even while it starts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(task, *items)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _pool(job: Job) -> Iterator[ProcessPoolExecutor]:
    """Make a pool of spawned processes: a forked one would share the parent's connections."""
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


# Everything below runs in the worker processes.


class _Worker:
    """The state of a worker process, as class attributes: process globals under one name.

    The pool calls module-level functions with picklable arguments, and its initializer can hand
    nothing to them but through globals; a database connection cannot be pickled with each task.
    Under spawn each worker imports this module anew, so its globals are its own: none are inherited
    from the parent, which never sets them, and a worker runs one task at a time.
    """

    job: Job
    #: The bucket of each stream; None until the first scan: the worker starts before the file of
    #: the assignment is written.
    bucket_of: Sequence[int] | None = None


def _start_worker(url: str, plan: RebuildPlan, folder: Path) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    workspace.join(folder)
    # The same settings of the garbage collector as on the command line.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    _Worker.job = Job(
        database=Database(url), plan=plan, folder=folder, workers=1, on_progress=_ignore
    )


def _end_with_the_parent() -> None:
    """Exit as soon as the parent process is gone: it may have been killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _warm_up() -> None:
    """Do nothing: the task only makes the pool start a worker, whose imports take time."""


def _scan(cut: PositionRange) -> int:
    if _Worker.bucket_of is None:
        _Worker.bucket_of = Assignment(_Worker.job.folder).bucket_of
    return buckets.scan(_Worker.job, _Worker.bucket_of, cut)


def _fold_bucket(bucket: int) -> tuple[int, EnginePiece]:
    return buckets.fold_bucket(_Worker.job, bucket)


def _ignore(_phase: str, _done: int, _total: int) -> None:
    """Ignore progress: only the parent reports it."""
