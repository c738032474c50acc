"""Follows the log: projects events continuously, soon after they are appended.

Several processes may follow one log. The one that holds the lease is the leader and projects; the
others stand by. The lease only avoids duplicate work. It is the compare-and-set on the checkpoints
that guarantees that no event is folded twice.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event

from attrs import frozen

from projector.errors import (
    CheckpointMoved,
    DatabaseBusy,
    DatabaseUnreachable,
    ProjectionOutdated,
)
from projector.projections import is_own
from projector.projections.projection import Projection
from projector.runner import isolation, runner
from projector.runner.backlog import Backlog, RebuildBacklog
from projector.runner.lease_monitor import JOB, LEASE_SECONDS, HeartbeatClock
from projector.runner.purger import purging
from projector.runner.wal_monitor import WalMonitor
from projector.store import checkpoints, lease, log
from projector.store.database import Database
from projector.store.notifications import Listener, listen

__all__ = ["Follower", "Intervals"]

#: The maximum number of events in a batch, which is one transaction: small enough that heartbeats
#: can be sent between batches.
LIVE_BATCH_EVENTS_MAX = 20_000

#: The base of the exponential backoff after a failure, in seconds; each failure doubles it.
_RETRY_SECONDS = 0.1

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Intervals:
    """The intervals and timeouts of a follower, in seconds."""

    #: The minimum time between two heartbeats.
    heartbeat_seconds: float = 2.0
    #: The lease timeout: after this time without a heartbeat, another process may take the lease.
    lease_seconds: float = LEASE_SECONDS
    #: The time between two polls of the log, unless a notification comes first.
    poll_seconds: float = 0.5
    #: The pause after a batch, in which more events may arrive for the next one.
    gather_seconds: float = 0.05
    #: The upper limit of the backoff between two retries.
    retry_seconds_max: float = 5.0


#: The intervals on Postgres, where NOTIFY wakes the follower: polling covers lost notifications.
POSTGRES_INTERVALS = Intervals()

#: The intervals on SQLite, where a poll costs less and is the only way to see the events that other
#: processes append.
SQLITE_INTERVALS = Intervals(poll_seconds=0.2)


class Follower:
    """A continuous projector: it projects while it holds the lease, and stands by otherwise."""

    def __init__(
        self,
        database: Database,
        projections: Sequence[Projection],
        *,
        holder: str | None = None,
        on_batch: Callable[[int], None] = lambda _position: None,
        intervals: Intervals | None = None,
        rebuild_backlog: RebuildBacklog | None = None,
    ) -> None:
        """Create a follower, which does nothing until `run`.

        `holder` is this follower's unique name as a lease holder; by default host, process id and a
        random suffix. `on_batch` is called after each batch with the position that it reached.
        `rebuild_backlog`, if given, is tried first where the projections may be very far behind.
        """
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._database = database
        self._projections = projections
        self._on_batch = on_batch
        self._intervals = intervals or (
            SQLITE_INTERVALS if database.is_sqlite else POSTGRES_INTERVALS
        )
        self._backlog = Backlog(
            database, projections, rebuild_backlog, seconds=self._intervals.heartbeat_seconds
        )
        self._bell = Event()
        self._clock = HeartbeatClock()
        self._heartbeat_at = 0.0
        self._checked_at = 0.0
        self._reported: set[str] = set()
        self._wal = WalMonitor(database)
        self._failures = 0
        self._is_outdated = False
        self._is_leading = False

    def is_leading(self) -> bool:
        """Return whether this follower holds the lease, as far as it knows; thread-safe."""
        return self._is_leading

    def wake(self) -> None:
        """Wake the follower, because this process has appended events; thread-safe."""
        self._bell.set()

    def run(self, stop: Event) -> None:
        """Follow the log until `stop` is set; log every error and retry with backoff.

        Once `stop` is set, it returns within half a second or after the current batch, and releases
        the lease. Meanwhile it purges in the background, if an earlier purge failed.
        """
        try:
            with purging(self._database, stop):
                while not stop.is_set():
                    try:
                        self._follow(stop)
                    except Exception as error:
                        stop.wait(self._failed(error))
        finally:
            self._give_back()

    def _follow(self, stop: Event) -> None:
        while not stop.is_set():
            if self._has_lease():
                # Listen before the first poll: otherwise an event appended in between is missed.
                with listen(self._database, self._bell) as listener, self._leading():
                    self._work_while_leading(listener, stop)
            else:
                stop.wait(self._intervals.poll_seconds)

    @contextmanager
    def _leading(self) -> Iterator[None]:
        self._is_leading = True
        try:
            yield
        finally:
            self._is_leading = False

    def _has_lease(self) -> bool:
        """Return whether this follower holds the lease; take it if it is free or has expired."""
        with self._database.reading() as connection:
            current = lease.read(connection, JOB)
            by_projection = checkpoints.read(connection, self._projections)
            head = log.head(connection)
        if current.holder == self.holder:
            # An error did not cost it the lease; the next heartbeat follows the next batch.
            return True
        silent_seconds = self._clock.see(current)
        if current.holder is not None and silent_seconds < self._intervals.lease_seconds:
            return False
        # Leave the lease to a process whose projections have the version of the stored rows.
        own = [each for each in self._projections if is_own(each.name)]
        for problem in isolation.problems(own, by_projection, head):
            if isinstance(problem, ProjectionOutdated):
                raise problem
        with self._database.writing() as connection:
            is_taken = lease.take(connection, current, self.holder)
        if is_taken:
            self._heartbeat_at = time.monotonic()
            _logger.info("%s took the lease and projects %s.", self.holder, self._database)
        return is_taken

    def _work_while_leading(self, listener: Listener, stop: Event) -> None:
        """Project new events until `stop` is set or another process has taken the lease."""
        while not stop.is_set():
            has_more = self._project_backlog(stop)
            if stop.is_set():
                return
            has_more = has_more or self._project()
            self._check_problems()
            # Only after the batch: a follower that cannot project must not look alive.
            if not self._heartbeat():
                _logger.info("%s lost the lease and stands by.", self.holder)
                return
            if has_more:
                # Events arrive one by one, and folding several costs little more than folding one.
                stop.wait(self._intervals.gather_seconds)
            else:
                listener.wait(self._intervals.poll_seconds)

    def _project_backlog(self, stop: Event) -> bool:
        """Rebuild the projections that are very far behind; return whether there were any."""
        position = self._backlog.project(stop, self._heartbeat)
        if position is not None:
            self._on_batch(position)
        return position is not None

    def _project(self) -> bool:
        """Project one batch; return whether more events may be waiting."""
        try:
            position = runner.project_batch(
                self._database, self._projections, batch_events_max=LIVE_BATCH_EVENTS_MAX
            )
        except CheckpointMoved:
            return True
        self._failures = 0
        self._is_outdated = False
        if position is not None:
            self._on_batch(position)
        return position is not None

    def _check_problems(self) -> None:
        """Log each projection that cannot run, once; raise ProjectionOutdated for a built-in one.

        The error makes this follower release the lease, so that a process whose projections have
        the version of the stored rows can lead. An outdated projection of another package waits
        alone.
        """
        now = time.monotonic()
        if now - self._checked_at < self._intervals.heartbeat_seconds:
            return
        self._checked_at = now
        self._wal.look()
        problems = isolation.read_problems(self._database, self._projections)
        for problem in problems:
            is_outdated = isinstance(problem, ProjectionOutdated)
            if is_outdated and is_own(str(problem.details["projection"])):
                raise problem
            if str(problem) not in self._reported:
                _logger.error("%s %s", problem, problem.hint)
        # One that was solved and comes again is logged again.
        self._reported = set(map(str, problems))

    def _heartbeat(self) -> bool:
        """Send a heartbeat if one is due; return whether this follower still holds the lease."""
        now = time.monotonic()
        if now - self._heartbeat_at < self._intervals.heartbeat_seconds:
            return True
        with self._database.writing(durable=False) as connection:
            self._heartbeat_at = now
            return lease.heartbeat(connection, JOB, self.holder)

    def _failed(self, error: Exception) -> float:
        """Log an error; return the seconds to wait before the next try (exponential backoff)."""
        # Heartbeats may have been missed while failing: restart the silence timer.
        self._clock = HeartbeatClock()
        if isinstance(error, ProjectionOutdated):
            if not self._is_outdated:
                _logger.error("%s %s", error, error.hint)
            self._is_outdated = True
            self._give_back()
            return self._intervals.retry_seconds_max
        if isinstance(error, DatabaseBusy | DatabaseUnreachable):
            _logger.warning("Retrying in a moment: %s", " ".join(str(error).split()))
        else:
            _logger.error("The projector failed and retries.", exc_info=error)
        self._failures += 1
        return min(
            self._intervals.retry_seconds_max, _RETRY_SECONDS * 2.0 ** min(self._failures, 10)
        )

    def _give_back(self) -> None:
        try:
            with self._database.writing() as connection:
                lease.release(connection, JOB, self.holder)
        except Exception as error:
            # Other followers take it after the lease timeout.
            _logger.warning("The lease could not be released: %s", " ".join(str(error).split()))
