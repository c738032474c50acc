"""Reads what every page shows: whether the tables are up to date, and how much was put aside."""

from __future__ import annotations

import time
from threading import Lock

from attrs import frozen

from projector.projections.rebuilding import SHADOW
from projector.server.context import ServerContext
from projector.store import dead_letters, log, quarantine

#: How long what was read is shown to everybody, in seconds.
SECONDS = 2.0


@frozen(kw_only=True)
class Glance:
    """The state of the tables and of what waits, a moment ago."""

    #: The position of the last event in the log.
    head: int
    #: The lag of the tables in events; None if unknown.
    lag: int | None
    #: The seconds until there is none, at the pace of the last half minute; None without a pace.
    drain_seconds: float | None
    #: Whether a projector updates the tables, and whether it is too early to tell.
    is_updating: bool
    is_starting: bool
    #: Deliveries in the quarantine, and dead letters: one for each event and table.
    quarantined: int
    dead_letters: int


class GlanceCache:
    """The last glance, which all pages share for a moment. Safe for threads."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._lock = Lock()
        self._last: Glance | None = None
        self._read_at = float("-inf")

    def glance(self) -> Glance:
        """Return a glance that is at most two seconds old; raise an error of the database."""
        with self._lock:
            if self._last is None or time.monotonic() - self._read_at > SECONDS:
                self._last = self._read()
                self._read_at = time.monotonic()
            return self._last

    def _read(self) -> Glance:
        health = self._context.health_monitor.health()
        with self._context.database.reading() as connection:
            letters = dead_letters.count_by_projection(connection)
            return Glance(
                head=log.head(connection),
                lag=health.lag,
                drain_seconds=self._context.health_monitor.drain_seconds(),
                is_updating=health.projector,
                is_starting=self._context.health_monitor.is_starting,
                quarantined=sum(quarantine.counts(connection).values()),
                # Those of a shadow belong to a rebuild that runs.
                dead_letters=sum(
                    count for name, count in letters.items() if not name.endswith(SHADOW)
                ),
            )
