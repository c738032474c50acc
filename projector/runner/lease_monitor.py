"""Monitors the followers' lease by its heartbeats: whether any process projects new events."""

from __future__ import annotations

import time
from threading import Lock

from attrs import frozen

from projector.store import lease
from projector.store.database import Database
from projector.store.lease import Lease

#: The name of the lease that all followers of a database share.
JOB = "projector"

#: The lease timeout: after this time without a heartbeat another follower may take the lease.
LEASE_SECONDS = 10.0

#: The time within which a released lease should be taken by another follower, in seconds.
HANDOVER_SECONDS = 3.0


class HeartbeatClock:
    """The age of a lease's last change, measured by the observer's own monotonic clock.

    The clocks of two machines may differ, so no timestamps of the holder are compared.
    """

    def __init__(self) -> None:
        self._last: Lease | None = None
        self._changed_at = 0.0
        #: The time of the last observed heartbeat. Taking the lease is no heartbeat, because a
        #: process that fails at everything else can still do that.
        self.beat_at = float("-inf")

    def see(self, current: Lease) -> float:
        """Observe the lease as just read; return the seconds since its last observed change."""
        now = time.monotonic()
        if current != self._last:
            if self._last is not None and self._last.holder == current.holder:
                self.beat_at = now
            self._last, self._changed_at = current, now
        return now - self._changed_at


@frozen(kw_only=True)
class LeaseStatus:
    """The observed status of the lease, and so of the process that projects."""

    #: The process that holds the lease, alive or not; None if the lease is free.
    holder: str | None
    #: Whether a heartbeat, of this holder or of the one before, was observed within the lease
    #: timeout; false until the first one is observed.
    is_alive: bool


class LeaseMonitor:
    """A liveness check of the followers, from the heartbeats of their lease; thread-safe.

    A heartbeat counts from the time at which it is observed: frequent looks detect a dead holder
    sooner. The first look can only report the lease's holder.
    """

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._clock = HeartbeatClock()
        self._lock = Lock()

    def look(self) -> LeaseStatus:
        """Read the lease and return its status; raise DatabaseUnreachable."""
        with self._database.reading() as connection:
            current = lease.read(connection, JOB)
        with self._lock:
            silent_seconds = self._clock.see(current)
            beat_at = self._clock.beat_at
        # A handover is no failure: a released lease is free for a moment, and its next holder takes
        # another moment until its first heartbeat.
        is_held = current.holder is not None or silent_seconds < HANDOVER_SECONDS
        is_alive = is_held and time.monotonic() - beat_at < self._lease_seconds
        return LeaseStatus(holder=current.holder, is_alive=is_alive)
