"""Files pages of activity in the log, and keeps how far each customer's activity was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from threading import Lock

from sqlalchemy import Connection

from projector.envelope import CustomerKey, Item
from projector.store import activity, log, log_head
from projector.store.activity import Reading
from projector.store.append import Channel, Outcome, append
from projector.store.database import Database
from projector.store.erasure import records, suppression
from projector.store.stream_cache import StreamCache
from projector.voucherify.manners import StopReason
from projector.voucherify.pace import RunStopped


class Filing:
    """The way of all threads into the database; one thread at a time, as the log has one writer.

    A page is durable in the log before the place behind it is stored. A process that is killed in
    between reads the page again, and all of it is duplicates.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cache = StreamCache()
        self._lock = Lock()
        self._is_closed = False
        self._outcomes: Counter[Outcome] = Counter()

    @property
    def appended(self) -> int:
        """The number of events that were new."""
        return self._outcomes[Outcome.APPENDED]

    def counts(self) -> dict[str, int]:
        """Return the number of entries by outcome, and of all."""
        with self._lock:
            return {
                "read": self._outcomes.total(),
                "appended": self._outcomes[Outcome.APPENDED],
                "duplicates": self._outcomes[Outcome.DUPLICATE],
                "conflicts": self._outcomes[Outcome.CONFLICT],
                "quarantined": self._outcomes[Outcome.QUARANTINED],
                "suppressed": self._outcomes[Outcome.SUPPRESSED],
            }

    def find(self, customer: CustomerKey, scope: str) -> Reading:
        """Return how far a customer's activity was read."""
        with self._lock:
            self._check_open()
            with self._database.reading() as connection:
                return activity.find(connection, customer, scope)

    def is_erased(self, customer: CustomerKey) -> bool:
        """Return whether a customer was erased, so that nothing may be read or kept of it."""
        with self._lock:
            self._check_open()
            with self._database.reading() as connection:
                return self._is_erased(connection, customer)

    def file(self, items: Sequence[Item], reading: Reading) -> None:
        """Append the entries of a page, durably, and then store how far it was read.

        Nothing is stored of a customer who was erased meanwhile. Raises RunStopped, and files
        nothing, once this is closed.
        """
        with self._lock:
            self._check_open()
            if items:
                receipts = append(
                    self._database,
                    items,
                    received_at=datetime.now(UTC),
                    cache=self._cache,
                    channel=Channel.BACKFILL,
                )
                self._outcomes.update(receipt.outcome for receipt in receipts)
            # Not durable: if a power cut undoes it, the page is read again.
            with self._database.writing(durable=False) as connection:
                # No erasure commits while the head is locked.
                log_head.lock(connection)
                if not self._is_erased(connection, reading.customer):
                    activity.save(connection, reading)

    def close(self) -> None:
        """Wait for the page that is being filed, and let none follow."""
        with self._lock:
            self._is_closed = True

    def head(self) -> int:
        """Return the position of the log's last event."""
        with self._database.reading() as connection:
            return log.head(connection)

    def _is_erased(self, connection: Connection, customer: CustomerKey) -> bool:
        last, cache = records.last_erasure(connection), self._cache
        cache.suppression = suppression.renew(connection, cache.suppression, last)
        return cache.suppression.has_customer(*customer)

    def _check_open(self) -> None:
        if self._is_closed:
            raise RunStopped(StopReason.INTERRUPTED)
