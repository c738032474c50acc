"""Watches the lease of the followers: whether any process projects what comes in."""

from __future__ import annotations

import time
from threading import Lock

from attrs import frozen

from projector.store import lease
from projector.store.database import Database
from projector.store.lease import Lease

#: The lease that followers share.
JOB = "projector"

#: How long a holder may be silent before another one takes its place, in seconds.
LEASE_SECONDS = 10.0

#: How long after it was given back somebody should have taken it, in seconds.
HANDOVER_SECONDS = 3.0


class HeartbeatClock:
    """The lease as one watcher sees it, by its own clock."""

    def __init__(self) -> None:
        self._seen: Lease | None = None
        self._since = 0.0
        #: When the last sign of life was seen. To take the lease is none: one who fails at
        #: everything else can do that.
        self.beat_at = float("-inf")

    def see(self, found: Lease) -> float:
        """Take note of what was read; returns how long ago there was news, in seconds."""
        now = time.monotonic()
        if found != self._seen:
            if self._seen is not None and self._seen.holder == found.holder:
                self.beat_at = now
            self._seen, self._since = found, now
        return now - self._since


@frozen(kw_only=True)
class LeaseStatus:
    """What a watcher sees of the process that projects."""

    #: Who holds the lease, alive or not; None for nobody.
    holder: str | None
    #: Whether it, or who held it before, was seen to show life within the last LEASE_SECONDS; false
    #: as long as that is not known.
    is_alive: bool


class LeaseMonitor:
    """Tells whether any process projects what comes in; several threads may share one.

    A sign of life counts from when it is seen: the more often one looks, the sooner one sees a
    death. The first look can only tell who holds the lease.
    """

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._pulse = HeartbeatClock()
        self._lock = Lock()

    def look(self) -> LeaseStatus:
        """Look at the lease; raises DatabaseUnreachable."""
        with self._database.reading() as connection:
            found = lease.read(connection, JOB)
        with self._lock:
            silent_seconds = self._pulse.see(found)
            beat_at = self._pulse.beat_at
        # A lease that was given back is nobody's for a moment, and its next holder needs another
        # one for a sign of life. Meanwhile nothing is wrong.
        is_held = found.holder is not None or silent_seconds < HANDOVER_SECONDS
        is_alive = is_held and time.monotonic() - beat_at < self._lease_seconds
        return LeaseStatus(holder=found.holder, is_alive=is_alive)
