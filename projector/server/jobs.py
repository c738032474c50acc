"""Runs jobs one after another, each as a child process; of several servers, one runs them.

The holder of the lease runs them. It takes the lease once a job waits, and releases it when none
does: an idle server writes nothing. A holder that dies leaves a job that runs; the next one records
that it ended. The lease only avoids duplicate work: retries are idempotent, and a rebuild has a
lock of its own.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from threading import Event

from attrs import evolve, frozen

from projector.errors import DatabaseBusy, DatabaseUnreachable, LogHeadBehind
from projector.runner.lease_monitor import LEASE_SECONDS, HeartbeatClock
from projector.server.child_command import ChildCommand, Report
from projector.server.job_end import ERASED_MEANWHILE, SERVER_ENDED, end_of
from projector.server.job_requests import command_of, secrets_of
from projector.store import jobs, lease, log_head
from projector.store.database import Database
from projector.store.erasure import records
from projector.store.jobs import JobEnd, JobProgress, StoredJob

#: The name of the lease.
LEASE = "jobs"

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class JobIntervals:
    """The intervals and timeouts, in seconds."""

    #: The time between two looks for jobs that other servers took in.
    poll_seconds: float = 1.0
    #: The time between two looks at a child process.
    look_seconds: float = 0.2
    #: The time between two heartbeats, each with the progress.
    heartbeat_seconds: float = 1.0
    lease_seconds: float = LEASE_SECONDS
    #: The time that a child process has to stop.
    stop_seconds: float = 4.0


INTERVALS = JobIntervals()


class JobRunner:
    """The thread that runs jobs."""

    def __init__(
        self,
        database: Database,
        *,
        is_stopping: Callable[[], bool],
        intervals: JobIntervals | None = None,
    ) -> None:
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._database = database
        self._is_stopping = is_stopping
        self._intervals = intervals or INTERVALS
        self._bell = Event()
        self._clock = HeartbeatClock()
        self._has_lease = False
        self._has_failed = False

    def wake(self) -> None:
        """Look for a job now; thread-safe."""
        self._bell.set()

    def run(self) -> None:
        """Run jobs until the server stops; log every error and go on."""
        while not self._is_stopping():
            try:
                if self._run_next():
                    continue
                self._has_failed = False
            except Exception as error:
                self._log_failure(error)
            self._bell.wait(self._intervals.poll_seconds)
            self._bell.clear()
        self._release()

    def _run_next(self) -> bool:
        """Run the next job, if there is one and this runner has the lease; return whether it did.

        Without a job the lease is released.
        """
        with self._database.reading() as connection:
            unended = jobs.unended(connection)
            current = lease.read(connection, LEASE) if unended else None
        if current is None:
            self._release()
            return False
        silent_seconds = self._clock.see(current)
        if current.holder != self.holder:
            self._has_lease = False
            if current.holder is not None and silent_seconds < self._intervals.lease_seconds:
                return False
            if not self._take(current):
                return False
        waiting = [each for each in unended if each.began_at is None]
        if waiting:
            self._run_job(waiting[0])
        return bool(waiting)

    def _take(self, seen: lease.Lease) -> bool:
        """Take the lease, and record that the jobs of the holder before have ended."""
        with self._database.writing() as connection:
            is_taken = lease.take(connection, seen, self.holder)
            if is_taken:
                jobs.end_abandoned(connection, at=datetime.now(UTC), problem=SERVER_ENDED)
        self._has_lease = is_taken
        return is_taken

    def _run_job(self, job: StoredJob) -> None:
        with self._database.writing() as connection:
            has_begun = lease.heartbeat(connection, LEASE, self.holder) and jobs.begin(
                connection, job.job_id, at=datetime.now(UTC)
            )
            erasure_id = records.last_erasure(connection)
        if not has_begun:
            return
        _log.info("job %d (%s) begins", job.job_id, job.kind)
        url = self._database.url.render_as_string(hide_password=False)
        try:
            command, secrets = command_of(job.kind, job.arguments), secrets_of(job.kind)
            with closing(ChildCommand(command, url, secrets=secrets)) as child:
                ended = self._watch(job, child)
        except Exception as error:
            self._log_failure(error)
            ended = _unfinished("The command could not be run; the server's log has the reason.")
        if ended is not None:
            self._end(job, ended, erasure_id)

    def _watch(self, job: StoredJob, child: ChildCommand) -> JobEnd | None:
        """Wait for a child; return how it ended, or None if another server has the lease now."""
        progress: JobProgress | None = None
        beat_at = time.monotonic()
        is_running = True
        while is_running:
            is_running, report = child.wait(self._intervals.look_seconds)
            if report is not None:
                progress = _progress(report, progress)
            if self._is_stopping():
                self._stop(child)
                return _unfinished(SERVER_ENDED)
            if time.monotonic() - beat_at >= self._intervals.heartbeat_seconds:
                beat_at = time.monotonic()
                if not self._beat(job, progress):
                    _log.warning("another server runs the jobs: job %d is stopped", job.job_id)
                    self._stop(child)
                    return None
        found = child.end()
        ended = end_of(found.exit_code, found.out, found.err, at=datetime.now(UTC))
        if ended.problem is not None:
            _log.warning("job %d failed: %s", job.job_id, found.err or ended.problem)
        return ended

    def _beat(self, job: StoredJob, progress: JobProgress | None) -> bool:
        """Record the progress with a heartbeat; return whether this runner has the lease."""
        try:
            with self._database.writing(durable=False) as connection:
                if progress is not None:
                    jobs.report(connection, job.job_id, progress)
                return lease.heartbeat(connection, LEASE, self.holder)
        except (DatabaseBusy, DatabaseUnreachable) as error:
            # The command may still succeed; and whoever takes the lease needs the database too.
            self._log_failure(error)
            return True

    def _stop(self, child: ChildCommand) -> None:
        child.interrupt()
        deadline = time.monotonic() + self._intervals.stop_seconds
        while child.wait(self._intervals.look_seconds)[0] and time.monotonic() < deadline:
            pass

    def _end(self, job: StoredJob, ended: JobEnd, erasure_id: int) -> None:
        """Record the end; try again until the database is there, or the server stops.

        `erasure_id` is the last erasure before the job began. After another one nothing is kept of
        the result: it may name the customer.
        """
        while True:
            try:
                with self._database.writing() as connection:
                    # An erasure that runs has looked through the jobs already: wait for it.
                    with suppress(LogHeadBehind):
                        log_head.lock(connection)
                    if records.last_erasure(connection) != erasure_id:
                        ended = evolve(ended, result=None, problem=ERASED_MEANWHILE)
                    jobs.end(connection, job.job_id, ended)
                _log.info("job %d (%s) ended: %s", job.job_id, job.kind, ended.exit_code)
                return
            except (DatabaseBusy, DatabaseUnreachable) as error:
                self._log_failure(error)
                if self._is_stopping():
                    return
                time.sleep(self._intervals.poll_seconds)

    def _release(self) -> None:
        if not self._has_lease:
            return
        try:
            with self._database.writing() as connection:
                lease.release(connection, LEASE, self.holder)
            self._has_lease = False
        except (DatabaseBusy, DatabaseUnreachable) as error:
            self._log_failure(error)

    def _log_failure(self, error: Exception) -> None:
        """Log an error; the same trouble only once."""
        if not isinstance(error, DatabaseBusy | DatabaseUnreachable):
            _log.error("A job failed.", exc_info=error)
        elif not self._has_failed:
            _log.warning("Jobs wait for the database: %s", " ".join(str(error).split()))
        self._has_failed = True


def _progress(report: Report, last: JobProgress | None) -> JobProgress:
    is_new = last is None or last.phase != report.phase
    return JobProgress(
        phase=report.phase,
        phase_began_at=datetime.now(UTC) if is_new or last is None else last.phase_began_at,
        done=report.done,
        total=report.total,
    )


def _unfinished(problem: str) -> JobEnd:
    return JobEnd(ended_at=datetime.now(UTC), exit_code=None, result=None, problem=problem)
