"""Group commit: what several requests bring at the same time is appended in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from attrs import frozen

from projector.envelope import Envelope, Item
from projector.errors import ProjectorError
from projector.server.batcher import Batcher, Bounds
from projector.store.append import Outcome, Receipt, StreamCache, append
from projector.store.database import Database

#: In requests, and in bytes.
BOUNDS = Bounds(
    together_max=1_000,
    together_weight_max=4 * 1024 * 1024,
    waiting_weight_max=64 * 1024 * 1024,
)

#: What an item weighs beside its body, in bytes, about.
ITEM_BYTES = 1024

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Commit:
    """A transaction that was made, for whoever counts."""

    items: Sequence[Item]
    receipts: Sequence[Receipt]
    received_at: datetime
    #: How long it took, in seconds.
    seconds: float

    def lateness_seconds(self) -> Iterator[float]:
        """Of each event that was appended: from its occurrence to its arrival."""
        for item, receipt in zip(self.items, self.receipts, strict=True):
            if receipt.outcome is Outcome.APPENDED and isinstance(item, Envelope):
                yield (self.received_at - item.occurred_at).total_seconds()


class Writer:
    """The one who appends. Its methods belong to the event loop."""

    def __init__(self, database: Database, *, on_commit: Callable[[Commit], None]) -> None:
        self._database = database
        self._on_commit = on_commit
        self._cache = StreamCache()
        self._group: Batcher[Sequence[Item], list[Receipt]] = Batcher(
            self._append, BOUNDS, name="writer"
        )
        self.run, self.stop = self._group.run, self._group.stop

    async def append(self, items: Sequence[Item], size: int) -> list[Receipt]:
        """Append items of `size` bytes in all; they are durable when this returns.

        Raises Overloaded, with nothing taken in, where too much waits already; DatabaseBusy or
        DatabaseUnreachable when it could not be written.
        """
        return await self._group.do(items, size + ITEM_BYTES * len(items))

    def _append(self, batch: Sequence[Sequence[Item]]) -> Sequence[list[Receipt] | Exception]:
        """What became of each request: its receipts, or why there are none."""
        try:
            return self._append_together(batch)
        except ProjectorError as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                _log.exception("a delivery could not be appended")
                return [error]
        # One of them must not take the others with it.
        return [result for each in batch for result in self._append([each])]

    def _append_together(self, batch: Sequence[Sequence[Item]]) -> list[list[Receipt]]:
        items = [item for each in batch for item in each]
        begun, received_at = time.perf_counter(), datetime.now(UTC)
        receipts = append(self._database, items, received_at=received_at, cache=self._cache)
        seconds = time.perf_counter() - begun
        done = Commit(items=items, receipts=receipts, received_at=received_at, seconds=seconds)
        try:
            self._on_commit(done)
        except Exception:
            # It is in the log: tried once more, it would be told as a duplicate.
            _log.exception("a transaction could not be counted")
        parts = iter(receipts)
        return [[next(parts) for _ in each] for each in batch]
