"""Runs slow queries on threads of their own, so that no other request waits for one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread

from projector.server.errors import Overloaded

#: The most queries that run concurrently. Each has a database connection, and the connection pool
#: must keep some for the writer, the reader, the follower, and the checks of tokens and health.
THREADS_MAX = 8

#: The most queries that run or wait for a thread.
WAITING_MAX = 200

Arguments = TypeVarTuple("Arguments")
Answer = TypeVar("Answer")


class ThreadPool:
    """A bounded thread pool with a bounded queue. Belongs to the event loop."""

    def __init__(self) -> None:
        self._threads = CapacityLimiter(THREADS_MAX)
        self._number = 0

    async def run(self, work: Callable[[*Arguments], Answer], *arguments: *Arguments) -> Answer:
        """Return what `work` returns; raise its error, or Overloaded if the queue is full."""
        if self._number >= WAITING_MAX:
            raise Overloaded
        self._number += 1
        try:
            return await to_thread.run_sync(work, *arguments, limiter=self._threads)
        finally:
            self._number -= 1
