"""Appends the deliveries of concurrent requests in one transaction (group commit)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from attrs import frozen

from projector.envelope import Envelope, Item
from projector.errors import ProjectorError
from projector.server.batcher import Batcher, Bounds
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache

#: The limits, in requests and bytes.
BOUNDS = Bounds(
    together_max=1_000,
    together_weight_max=4 * 1024 * 1024,
    waiting_weight_max=64 * 1024 * 1024,
)

#: The approximate weight of an item in memory beside its body, in bytes.
ITEM_BYTES = 1024

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Commit:
    """A committed transaction, for the metrics."""

    items: Sequence[Item]
    receipts: Sequence[Receipt]
    received_at: datetime
    #: The duration of the transaction.
    seconds: float

    def lateness_seconds(self) -> Iterator[float]:
        """Yield the time from occurrence to arrival of each event that was appended."""
        for item, receipt in zip(self.items, self.receipts, strict=True):
            if receipt.outcome is Outcome.APPENDED and isinstance(item, Envelope):
                yield (self.received_at - item.occurred_at).total_seconds()


class Writer:
    """The group commit of deliveries. Its methods belong to the event loop."""

    def __init__(self, database: Database, *, on_commit: Callable[[Commit], None]) -> None:
        self._database = database
        self._on_commit = on_commit
        self._cache = StreamCache()
        self._batcher: Batcher[Sequence[Item], list[Receipt]] = Batcher(
            self._append, BOUNDS, name="writer"
        )
        self.run, self.stop = self._batcher.run, self._batcher.stop

    async def append(self, items: Sequence[Item], size: int) -> list[Receipt]:
        """Append items of `size` bytes in total; they are durable when this returns.

        Raise Overloaded, without queueing them, if the queue is full; DatabaseBusy or
        DatabaseUnreachable if the transaction fails.
        """
        return await self._batcher.submit(items, size + ITEM_BYTES * len(items))

    def _append(self, batch: Sequence[Sequence[Item]]) -> Sequence[list[Receipt] | Exception]:
        """Return the receipts of each request, or its error."""
        try:
            return self._append_together(batch)
        except ProjectorError as error:
            return [error] * len(batch)
        except Exception as error:
            if len(batch) == 1:
                _log.exception("a delivery could not be appended")
                return [error]
        # Retry one by one, so that one bad request does not fail the others.
        return [result for each in batch for result in self._append([each])]

    def _append_together(self, batch: Sequence[Sequence[Item]]) -> list[list[Receipt]]:
        items = [item for each in batch for item in each]
        started, received_at = time.perf_counter(), datetime.now(UTC)
        receipts = append(self._database, items, received_at=received_at, cache=self._cache)
        seconds = time.perf_counter() - started
        commit = Commit(items=items, receipts=receipts, received_at=received_at, seconds=seconds)
        try:
            self._on_commit(commit)
        except Exception:
            # The events are in the log: if this failed the batch, the retry would report them as
            # duplicates.
            _log.exception("a commit could not be counted in the metrics")
        parts = iter(receipts)
        return [[next(parts) for _ in each] for each in batch]
