"""Doing together what several requests ask for at the same time.

One task takes what waits, one thread works on it; meanwhile more gathers. So what costs the same
for one and for many, such as a write to the disk, is paid once for all who waited.
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
    """How much is taken in, in whatever jobs are weighed by."""

    #: The most jobs that are done together, and the most that they weigh: but for a heavier one,
    #: which is done alone.
    together_max: int
    together_weight_max: int
    #: The most that waits.
    waiting_weight_max: int


@define
class _Waiting(Generic[Job, Result]):
    job: Job
    weight: int
    result: asyncio.Future[Result]


class Batcher(Generic[Job, Result]):
    """Jobs that are done together. All methods belong to the event loop."""

    def __init__(
        self,
        work: Callable[[Sequence[Job]], Sequence[Result | Exception]],
        bounds: Bounds,
        *,
        name: str,
    ) -> None:
        """`work` gives a result or an error for each job, in their order; it has a thread."""
        self._work = work
        self._bounds = bounds
        self._waiting: deque[_Waiting[Job, Result]] = deque()
        self._weight = 0
        self._arrived = asyncio.Event()
        self._stops = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def do(self, job: Job, weight: int = 1) -> Result:
        """The job's result; raises its error, or Overloaded where too much waits already."""
        # What comes alone is taken however heavy it is.
        is_full = self._waiting and self._weight + weight > self._bounds.waiting_weight_max
        if is_full or self._stops:
            raise Overloaded
        result: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(job, weight, result))
        self._weight += weight
        self._arrived.set()
        return await result

    async def run(self) -> None:
        """Do what comes, until `stop`, and then what was taken in before."""
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
                # Nobody would work for those who come later, nor tell these that nothing comes.
                _log.exception("work for several requests failed")
                results = [error] * len(batch)
                _settle(batch, results)
            if isinstance(results[-1], DatabaseBusy | DatabaseUnreachable):
                self._give_up(results[-1])
        self._thread.shutdown()

    def stop(self) -> None:
        """Take nothing more in; `run` ends when all that was is done."""
        self._stops = True
        self._arrived.set()

    def _give_up(self, error: Exception) -> None:
        """Who waited behind those who waited for the database in vain does not do so again."""
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
    # All at once: where their numbers differ, nobody must get what is another's.
    for each, result in list(zip(batch, results, strict=True)):
        # Who is gone by now hears nothing; what was done stays done.
        with suppress(asyncio.InvalidStateError):
            if isinstance(result, Exception):
                each.result.set_exception(result)
            else:
                each.result.set_result(result)
