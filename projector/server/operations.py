"""Reads what the page Health shows; all who look at it share one look-up for a moment."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock
from zoneinfo import ZoneInfo

from attrs import frozen

from projector.projections import discover
from projector.projections.rebuilding import SHADOW
from projector.queries.feeds import FeedReader, Feeds
from projector.queries.status import Status, read_status
from projector.server.health import Health, HealthMonitor
from projector.server.refusals import Refusal, Refusals
from projector.store import log
from projector.store.database import Database

#: How long what was read is shown to everybody, in seconds.
SECONDS = 2.0


@frozen(kw_only=True)
class Operations:
    """The state of the server, its tables and its feeds, a moment ago."""

    health: Health
    status: Status
    feeds: Feeds
    #: The events that are not in the tables yet; their oldest one's age in seconds; and the seconds
    #: until they are, at the pace of the last half minute; None if there are none or no pace.
    lag: int
    lag_seconds: float | None
    drain_seconds: float | None
    #: What was refused since `started_at`.
    refused: tuple[Refusal, ...]
    busy: Refusal | None
    started_at: datetime
    read_at: datetime

    @property
    def dead_letters(self) -> int:
        """The dead letters of all tables but of those that a rebuild fills."""
        return sum(
            each.dead_letters for each in self.status.projections if not each.name.endswith(SHADOW)
        )


class OperationsReader:
    """Reads the operations of one server, at the most once in SECONDS. Safe for threads."""

    def __init__(self, database: Database, monitor: HealthMonitor, refusals: Refusals) -> None:
        self._database = database
        self._monitor = monitor
        self._refusals = refusals
        self._feeds = FeedReader(database)
        self._lock = Lock()
        #: The last one of each zone, and when they were read.
        self._last: dict[str, Operations] = {}
        self._read_at = float("-inf")

    def read(self, zone: str) -> Operations:
        """Return the operations; the days of feeds are those of a zone of the IANA database."""
        with self._lock:
            if time.monotonic() - self._read_at > SECONDS:
                self._last.clear()
                self._read_at = time.monotonic()
            if zone not in self._last:
                self._last[zone] = self._read(zone)
            return self._last[zone]

    def _read(self, zone: str) -> Operations:
        now = datetime.now(UTC)
        status = read_status(self._database, discover())
        running = [each.position for each in status.projections if each.error is None]
        position = min(running, default=status.head)
        with self._database.reading() as connection:
            oldest = log.read_at(connection, [position + 1])
        ages = [(now - each.received_at).total_seconds() for each in oldest]
        return Operations(
            health=self._monitor.health(),
            status=status,
            feeds=self._feeds.read(now, ZoneInfo(zone)),
            lag=max(status.head - position, 0),
            lag_seconds=max(ages[0], 0.0) if ages else None,
            drain_seconds=self._monitor.drain_seconds(),
            refused=self._refusals.webhooks(),
            busy=self._refusals.busy(),
            started_at=self._refusals.since,
            read_at=now,
        )
