"""How far the tables are, and waiting until they are far enough: reading one's own writes."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from attrs import frozen
from starlette.concurrency import run_in_threadpool

from projector.queries.customer_state import PROJECTIONS
from projector.server.errors import Overloaded, PositionNotReached
from projector.store import checkpoints, log
from projector.store.database import Database

#: For how long a reader waits, in seconds.
WAIT_SECONDS_MAX = 5.0

#: How many wait at the same time.
WAITING_MAX = 1_000

#: How often the tables are asked while somebody waits, in seconds, for another process may be the
#: one that projects.
POLL_SECONDS = 0.02


@frozen
class TablesPosition:
    """How far answers are, and how far they could be."""

    #: Every event up to here is in the tables.
    position: int
    #: The position of the last event in the log.
    head: int


def read_tables_position(database: Database) -> TablesPosition:
    """How far the tables that answers are made of are, in one snapshot."""
    with database.reading() as connection:
        position = checkpoints.least_position(connection, PROJECTIONS)
        return TablesPosition(position, log.head(connection))


class PositionWaiter:
    """Tells who waits for a position that it is reached. Belongs to the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._moved = asyncio.Event()
        self._reached = TablesPosition(0, 0)
        self._watch: asyncio.Task[None] | None = None

    def moved(self) -> None:
        """The tables may be further than they were."""
        self._moved.set()

    async def wait_for(self, position: int) -> None:
        """Wait until the tables are at a position; raises PositionNotReached, or Overloaded."""
        if position <= self._reached.position:
            # They never go back, but for a rebuild that was asked for.
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[reached] = position
        self._moved.set()
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look())
        try:
            async with asyncio.timeout(WAIT_SECONDS_MAX):
                await reached
        except TimeoutError:
            raise PositionNotReached(reached=self._reached.position, wanted=position) from None
        finally:
            del self._waiting[reached]

    async def _look(self) -> None:
        """Ask the tables until nobody waits any more."""
        while self._waiting:
            self._moved.clear()
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
                await asyncio.wait_for(self._moved.wait(), POLL_SECONDS)
