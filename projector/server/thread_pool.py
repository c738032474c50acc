"""Questions that may take long: they have threads of their own, and nothing else waits for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from projector.server.errors import Overloaded

#: How many are worked on at the same time. Each has a connection, and the pool must not run dry for
#: the writer, the reader, the projector, and those who look at tokens and health.
THREADS_MAX = 8

#: How many there may be, with those that wait for a thread.
WAITING_MAX = 200

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")


class ThreadPool:
    """Those that are being answered. Belongs to the event loop."""

    def __init__(self) -> None:
        self._threads = CapacityLimiter(THREADS_MAX)
        self._number = 0

    async def run(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """What `work` returns; raises what it raises, or Overloaded where too many wait already."""
        if self._number >= WAITING_MAX:
            raise Overloaded
        self._number += 1
        try:
            return await to_thread.run_sync(work, *arguments, limiter=self._threads)
        finally:
            self._number -= 1
