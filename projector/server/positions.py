"""Reads the tables' position, and waits for one (read-your-writes)."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import frozen
from starlette.concurrency import run_in_threadpool

from projector.queries.customer_state import PROJECTIONS
from projector.server.errors import Overloaded, PositionNotReached
from projector.store import checkpoints, log
from projector.store.database import Database

#: The timeout of a wait, in seconds.
WAIT_SECONDS_MAX = 5.0

#: The most requests that wait at the same time.
WAITING_MAX = 1_000

#: The interval at which the position is polled while a request waits, in seconds: another process,
#: which cannot notify this one, may be the one that projects.
POLL_SECONDS = 0.02


@frozen
class TablesPosition:
    """The position of the tables, and the head of the log."""

    #: Every event up to this position is in the tables.
    position: int
    #: The position of the last event in the log.
    head: int


def read_tables_position(database: Database) -> TablesPosition:
    """Read the least checkpoint of the answers' projections, and the head, in one snapshot."""
    with database.reading() as connection:
        position = checkpoints.least_position(connection, PROJECTIONS)
        return TablesPosition(position, log.head(connection))


class PositionWaiter:
    """The requests that wait until a position is reached. Belongs to the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._changed = asyncio.Event()
        self._reached = TablesPosition(0, 0)
        self._polling: asyncio.Task[None] | None = None

    def notify(self) -> None:
        """Read the position now, because the tables may have advanced."""
        self._changed.set()

    async def wait_for(self, position: int) -> None:
        """Wait until the tables are at a position; raise PositionNotReached or Overloaded."""
        if position <= self._reached.position:
            # Checkpoints never go back, except by a rebuild, which an operator starts.
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = position
        self._changed.set()
        if self._polling is None or self._polling.done():
            self._polling = asyncio.create_task(self._poll())
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await reached
        except TimeoutError:
            raise PositionNotReached(reached=self._reached.position, wanted=position) from None
        finally:
            del self._waiting[reached]

    async def _poll(self) -> None:
        """Poll the position until no request waits."""
        while self._waiting:
            self._changed.clear()
            try:
                self._reached = await run_in_threadpool(read_tables_position, self._database)
            except Exception as error:
                for reached in self._waiting:
                    if not reached.done():
                        reached.set_exception(error)
                return
            for reached, position in self._waiting.items():
                if position <= self._reached.position and not reached.done():
                    reached.set_result(None)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), POLL_SECONDS)
