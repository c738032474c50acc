"""Batches concurrent requests into one call.

One task takes the queued jobs, and one thread works on them as a batch; more jobs queue up
meanwhile. A cost that is the same for one job and for many, such as an fsync, is paid once per
batch.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Generic, TypeVar

from attrs import define, frozen

from projector.errors import DatabaseBusy, DatabaseUnreachable
from projector.server.errors import Overloaded

Job = TypeVar("Job")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Bounds:
    """The limits of a batch and of the queue; weights are in the unit that the caller chooses."""

    #: The most jobs in a batch, and their greatest total weight. A single job that weighs more
    #: makes a batch of its own.
    together_max: int
    together_weight_max: int
    #: The greatest total weight of the queue.
    waiting_weight_max: int


@define
class _Waiting(Generic[Job, Result]):
    job: Job
    weight: int
    result: asyncio.Future[Result]


class Batcher(Generic[Job, Result]):
    """A bounded queue whose jobs are worked on in batches. All methods belong to the event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Job]], Sequence[Result | Exception]],
        bounds: Bounds,
        *,
        name: str,
    ) -> None:
        """Take `work`, which returns a result or an error per job, in order; it has a thread."""
        self._work = work
        self._bounds = bounds
        self._waiting: deque[_Waiting[Job, Result]] = deque()
        self._weight = 0
        self._arrived = asyncio.Event()
        self._stops = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def submit(self, job: Job, weight: int = 1) -> Result:
        """Return the job's result; raise its error, or Overloaded if the queue is full."""
        # An empty queue accepts a job of any weight.
        is_full = self._waiting and self._weight + weight > self._bounds.waiting_weight_max
        if is_full or self._stops:
            raise Overloaded
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, weight, result))
        self._weight += weight
        self._arrived.set()
        return await result

    async def run(self) -> None:
        """Work on jobs until `stop`, and then drain the queue."""
        loop = asyncio.get_running_loop()
        while self._waiting or not self._stops:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            batch = self._take()
            jobs = [each.job for each in batch]
            try:
                results = await loop.run_in_executor(self._thread, self._work, jobs)
                _settle(batch, results)
            except Exception as error:
                # If this task ended, the requests of this batch would never be answered, and no
                # later job would be worked on.
                _log.exception("a batch of requests failed")
                results = [error] * len(batch)
                _settle(batch, results)
            if isinstance(results[-1], DatabaseBusy | DatabaseUnreachable):
                self._give_up(results[-1])
        self._thread.shutdown()

    def stop(self) -> None:
        """Accept no more jobs; `run` ends once the queue is empty."""
        self._stops = True
        self._arrived.set()

    def _give_up(self, error: Exception) -> None:
        """Fail all queued jobs: they waited for the database once, and must not do so again."""
        batch, self._weight = list(self._waiting), 0
        self._waiting.clear()
        _settle(batch, [error] * len(batch))

    def _take(self) -> list[_Waiting[Job, Result]]:
        batch = [self._waiting.popleft()]
        weight = batch[0].weight
        while (
            self._waiting
            and len(batch) < self._bounds.together_max
            and weight + self._waiting[0].weight <= self._bounds.together_weight_max
        ):
            batch.append(self._waiting.popleft())
            weight += batch[-1].weight
        self._weight -= weight
        return batch


def _settle(batch: Sequence[_Waiting[Job, Result]], results: Sequence[Result | Exception]) -> None:
    # Pair all of them before the first future is set: if the counts differ, zip raises, and no
    # request gets another one's result.
    for each, result in list(zip(batch, results, strict=True)):
        # The future of a request whose client has gone is cancelled; its work stays done.
        with suppress(asyncio.InvalidStateError):
            if isinstance(result, Exception):
                each.result.set_exception(result)
            else:
                each.result.set_result(result)
