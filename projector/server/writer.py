"""Group commit: what several requests bring at the same time is appended in one transaction.

One task takes what waits, one thread appends it; meanwhile more gathers. So a commit, which takes a
write to the disk however little is in it, serves everybody who waited for the one before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime

from attrs import define, field, frozen

from projector.envelope import Envelope, Rejected
from projector.errors import ProjectorError
from projector.server.refusals import Overloaded
from projector.store.append import Outcome, Receipt, StreamCache, append
from projector.store.engine import Database

#: The most items in one transaction, but for a single request that brings more.
BATCH_ITEMS_MAX = 1_000

#: The most items and bytes that wait.
WAITING_ITEMS_MAX = 10_000
WAITING_BYTES_MAX = 64 * 1024 * 1024

_log = logging.getLogger(__name__)

Items = Sequence[Envelope | Rejected]


@frozen(kw_only=True)
class Committed:
    """A transaction that was made, for whoever counts."""

    items: Items
    receipts: Sequence[Receipt]
    received_at: datetime
    #: How long it took, in seconds.
    seconds: float

    def lateness_seconds(self) -> Iterator[float]:
        """Of each event that was appended: from its occurrence to its arrival."""
        for item, receipt in zip(self.items, self.receipts, strict=True):
            if receipt.outcome is Outcome.APPENDED and isinstance(item, Envelope):
                yield (self.received_at - item.occurred_at).total_seconds()


@define
class _Waiting:
    """What one request brought."""

    items: Items
    size: int
    receipts: asyncio.Future[list[Receipt]] = field()


class Writer:
    """The one who appends. All methods belong to the event loop."""

    def __init__(self, database: Database, *, on_commit: Callable[[Committed], None]) -> None:
        self._database = database
        self._on_commit = on_commit
        self._waiting: deque[_Waiting] = deque()
        self._waiting_items = self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._stops = False
        self._cache = StreamCache()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    async def append(self, items: Items, size: int) -> list[Receipt]:
        """Append items of `size` bytes in all; they are durable when this returns.

        Raises Overloaded, with nothing taken in, where too much waits already; DatabaseBusy or
        DatabaseUnreachable when it could not be written.
        """
        # What comes alone is taken however large it is.
        full = self._waiting and (
            self._waiting_items + len(items) > WAITING_ITEMS_MAX
            or self._waiting_bytes + size > WAITING_BYTES_MAX
        )
        if full or self._stops:
            raise Overloaded
        mine = _Waiting(items, size, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._waiting_items += len(items)
        self._waiting_bytes += size
        self._arrived.set()
        return await mine.receipts

    async def run(self) -> None:
        """Append what comes, until `stop`, and then what was taken in before."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            if not self._waiting:
                if self._stops:
                    break
                self._arrived.clear()
                continue
            batch = self._take()
            done = await loop.run_in_executor(self._thread, self._append, batch)
            self._settle(batch, done)
        self._thread.shutdown()

    def stop(self) -> None:
        """Take nothing more in; `run` ends when all that was is written."""
        self._stops = True
        self._arrived.set()

    def _take(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        items = len(batch[0].items)
        while self._waiting and items + len(self._waiting[0].items) <= BATCH_ITEMS_MAX:
            batch.append(self._waiting.popleft())
            items += len(batch[-1].items)
        self._waiting_items -= items
        self._waiting_bytes -= sum(each.size for each in batch)
        return batch

    def _append(self, batch: Sequence[_Waiting]) -> list[list[Receipt] | Exception]:
        """What became of each request: its receipts, or why there are none."""
        try:
            return list(self._append_together(batch))
        except ProjectorError as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                _log.exception("a delivery could not be appended")
                return [error]
        # One of them must not take the others with it.
        return [result for each in batch for result in self._append([each])]

    def _append_together(self, batch: Sequence[_Waiting]) -> list[list[Receipt]]:
        items = [item for each in batch for item in each.items]
        begun, received_at = time.perf_counter(), datetime.now(UTC)
        receipts = append(self._database, items, received_at=received_at, cache=self._cache)
        seconds = time.perf_counter() - begun
        self._on_commit(
            Committed(items=items, receipts=receipts, received_at=received_at, seconds=seconds)
        )
        parts = iter(receipts)
        return [[next(parts) for _ in each.items] for each in batch]

    @staticmethod
    def _settle(batch: Sequence[_Waiting], done: Sequence[list[Receipt] | Exception]) -> None:
        for each, result in zip(batch, done, strict=True):
            # Who is gone by now hears nothing; it is in the log all the same.
            with suppress(asyncio.InvalidStateError):
                if isinstance(result, Exception):
                    each.receipts.set_exception(result)
                else:
                    each.receipts.set_result(result)
