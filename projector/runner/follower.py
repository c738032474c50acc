"""The projector that follows the log: whatever comes in is in the tables a moment later.

Several processes may follow one log. One of them holds the lease and works, the others stand by.
The lease only spares work: that no event is folded twice is the checkpoints' affair.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Sequence
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
from projector.runner.lease_monitor import JOB, LEASE_SECONDS, HeartbeatClock
from projector.store import checkpoints, lease
from projector.store.database import Database
from projector.store.notifications import Listener, listen

__all__ = ["Follower", "Intervals"]

#: How many events are folded in one transaction: few, so that signs of life come in between.
LIVE_BATCH_EVENTS_MAX = 20_000

#: The first wait after a failure, in seconds; each further one is twice as long.
_RETRY_SECONDS = 0.1

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class Intervals:
    """How long to wait for what, in seconds."""

    #: Between two signs of life, at the least.
    heartbeat_seconds: float = 2.0
    #: A holder that was silent for so long has lost the lease to whoever takes it.
    lease_seconds: float = LEASE_SECONDS
    #: Between two looks at the log, if nobody wakes the follower before.
    poll_seconds: float = 0.5
    #: After a batch, for more to come in.
    gather_seconds: float = 0.05
    #: Between two tries, at the most, while something is wrong.
    retry_seconds_max: float = 5.0


#: Postgres wakes who waits: looking is for when it cannot.
POSTGRES_INTERVALS = Intervals()

#: Looking costs less there, and nothing but looking tells what other processes append.
SQLITE_INTERVALS = Intervals(poll_seconds=0.2)


class Follower:
    """Folds what comes in while it holds the lease, and stands by while another one does."""

    def __init__(
        self,
        database: Database,
        projections: Sequence[Projection],
        *,
        holder: str | None = None,
        on_batch: Callable[[int], None] = lambda _position: None,
        intervals: Intervals | None = None,
    ) -> None:
        """`holder` is a name that no other follower has; `on_batch` gets the position reached."""
        self.holder = holder or f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._database = database
        self._projections = projections
        self._on_batch = on_batch
        self._intervals = intervals or (
            SQLITE_INTERVALS if database.is_sqlite else POSTGRES_INTERVALS
        )
        self._bell = Event()
        self._pulse = HeartbeatClock()
        self._heartbeat_at = 0.0
        self._checked_at = 0.0
        self._reported: set[str] = set()
        self._failures = 0
        self._is_outdated = False

    def wake(self) -> None:
        """Say that this process has appended something. Any thread may do so, at any time."""
        self._bell.set()

    def run(self, stop: Event) -> None:
        """Follow until told to stop; whatever is wrong meanwhile is logged, and tried again.

        It then returns within half a second, or after its batch, and gives the lease back.
        """
        try:
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
                # Who listens before looking misses nothing.
                with listen(self._database, self._bell) as listener:
                    self._work_while_leading(listener, stop)
            else:
                stop.wait(self._intervals.poll_seconds)

    def _has_lease(self) -> bool:
        """Look at the lease, and take it if nobody holds it or shows signs of life."""
        with self._database.reading() as connection:
            found = lease.read(connection, JOB)
            by_projection = checkpoints.read(connection, self._projections)
        if found.holder == self.holder:
            # Something went wrong in between: the next sign of life comes after the next batch.
            return True
        silent_seconds = self._pulse.see(found)
        if found.holder is not None and silent_seconds < self._intervals.lease_seconds:
            return False
        # A process of the version that is needed should take it.
        own = [each for each in self._projections if is_own(each.name)]
        for problem in isolation.problems(own, by_projection):
            if isinstance(problem, ProjectionOutdated):
                raise problem
        with self._database.writing() as connection:
            is_taken = lease.take(connection, found, self.holder)
        if is_taken:
            self._heartbeat_at = time.monotonic()
            _logger.info("%s projects what comes into %s.", self.holder, self._database)
        return is_taken

    def _work_while_leading(self, listener: Listener, stop: Event) -> None:
        """Fold what comes in until told to stop, or until another one has the lease."""
        while not stop.is_set():
            is_more = self._project()
            self._check_problems()
            # Only now: what cannot be folded must not look like life.
            if not self._heartbeat():
                _logger.info("%s lost the lease and stands by.", self.holder)
                return
            if is_more:
                # Events come one by one, and to fold a few together costs little more than one.
                stop.wait(self._intervals.gather_seconds)
            else:
                listener.wait(self._intervals.poll_seconds)

    def _project(self) -> bool:
        """Fold a batch; returns whether there may be more to fold."""
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
        """Log each projection that cannot run, once; raise ProjectionOutdated for an own one.

        Then another process, of the version that is needed, should lead. A projection of another
        package waits alone.
        """
        now = time.monotonic()
        if now - self._checked_at < self._intervals.heartbeat_seconds:
            return
        self._checked_at = now
        for problem in isolation.read_problems(self._database, self._projections):
            is_outdated = isinstance(problem, ProjectionOutdated)
            if is_outdated and is_own(str(problem.details["projection"])):
                raise problem
            if str(problem) not in self._reported:
                self._reported.add(str(problem))
                _logger.error("%s %s", problem, problem.hint)

    def _heartbeat(self) -> bool:
        """Give a sign of life if it is time for one; returns whether the lease is still held."""
        now = time.monotonic()
        if now - self._heartbeat_at < self._intervals.heartbeat_seconds:
            return True
        with self._database.writing(durable=False) as connection:
            self._heartbeat_at = now
            return lease.heartbeat(connection, JOB, self.holder)

    def _failed(self, error: Exception) -> float:
        """Tell what went wrong; returns how long to wait before trying again, in seconds."""
        # It may have been blind for a while: a silence counts from the next look on.
        self._pulse = HeartbeatClock()
        if isinstance(error, ProjectionOutdated):
            if not self._is_outdated:
                _logger.error("%s %s", error, error.hint)
            self._is_outdated = True
            self._give_back()
            return self._intervals.retry_seconds_max
        if isinstance(error, DatabaseBusy | DatabaseUnreachable):
            _logger.warning("Tried again in a moment: %s", " ".join(str(error).split()))
        else:
            _logger.error("The projector failed; it tries again.", exc_info=error)
        self._failures += 1
        return min(
            self._intervals.retry_seconds_max, _RETRY_SECONDS * 2.0 ** min(self._failures, 10)
        )

    def _give_back(self) -> None:
        try:
            with self._database.writing() as connection:
                lease.release(connection, JOB, self.holder)
        except Exception as error:
            # Others take it once they saw it stand still.
            _logger.warning("The lease is not given back: %s", " ".join(str(error).split()))
