"""Jobs for operators: what a server does in the background, such as a rebuild.

They are asked for over HTTP. Of several servers on one database, one runs them, one after another:
see `projector.server.jobs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
from attrs import asdict, frozen

from projector.errors import JobNotFound, JobsWaiting
from projector.store import jobs
from projector.store.database import Database
from projector.store.jobs import StoredJob

#: The most jobs that wait or run.
UNENDED_MAX = 20

#: The number of jobs in a list.
LISTED_MAX = 20


class JobKind(StrEnum):
    """A kind of job."""

    QUARANTINE_RETRY = "quarantine_retry"
    DEAD_LETTER_RETRY = "dead_letter_retry"
    REBUILD = "rebuild"
    VERIFY = "verify"
    RECONCILE = "reconcile"


class JobState(StrEnum):
    """The state of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    #: The command did its work and printed its result, which may be a bad one.
    DONE = "done"
    FAILED = "failed"


@frozen(kw_only=True)
class JobSummary:
    """A job without its result."""

    job_id: int
    kind: JobKind
    state: JobState
    #: What it was asked for with.
    arguments: dict[str, Any]
    #: The name of the token, or `this machine` while no token exists.
    asked_by: str
    asked_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    #: The phase of the command, and when it began.
    phase: str | None
    phase_began_at: datetime | None
    #: The steps of the phase that are done, and all of them; null if unknown.
    done: int | None
    total: int | None
    #: As on the command line; null until it ends, and if the server ended before it.
    exit_code: int | None
    #: Why it failed, as a sentence; null if it did not.
    problem: str | None


@frozen(kw_only=True)
class Job(JobSummary):
    """A job with its result."""

    #: The JSON document of the command, with long lists cut; null until it is done.
    result: dict[str, Any] | None


@frozen(kw_only=True)
class JobList:
    """The last jobs, the newest one first."""

    jobs: tuple[JobSummary, ...]


def ask_job(
    database: Database, kind: JobKind, arguments: Mapping[str, Any], *, asked_by: str
) -> Job:
    """Queue a job and return it; raises JobsWaiting if too many wait."""
    with database.writing() as connection:
        waiting = len(jobs.unended(connection))
        if waiting >= UNENDED_MAX:
            raise JobsWaiting(count=waiting)
        job_id = jobs.add(
            connection,
            kind=kind,
            arguments=msgspec.json.encode(arguments).decode(),
            asked_by=asked_by,
            asked_at=datetime.now(UTC),
        )
    return show_job(database, job_id)


def show_job(database: Database, job_id: int) -> Job:
    """Return a job; raises JobNotFound."""
    with database.reading() as connection:
        found = jobs.find(connection, job_id)
        if found is None:
            raise JobNotFound(job_id=job_id)
        results = jobs.results(connection, [job_id])
    return _with_result(found, results.get(job_id))


def list_jobs(database: Database) -> JobList:
    """Return the last LISTED_MAX jobs."""
    with database.reading() as connection:
        found = jobs.latest(connection, limit=LISTED_MAX)
    return JobList(jobs=tuple(JobSummary(**_fields(each)) for each in found))


def unended_jobs(database: Database) -> tuple[JobSummary, ...]:
    """Return the jobs that wait or run, in the order in which they were asked for."""
    with database.reading() as connection:
        found = jobs.unended(connection)
    return tuple(JobSummary(**_fields(each)) for each in found)


def last_jobs(database: Database) -> tuple[Job, ...]:
    """Return the last LISTED_MAX jobs with their results."""
    with database.reading() as connection:
        found = jobs.latest(connection, limit=LISTED_MAX)
        results = jobs.results(connection, [each.job_id for each in found])
    return tuple(_with_result(each, results.get(each.job_id)) for each in found)


def _with_result(stored: StoredJob, result: str | None) -> Job:
    decoded = None if result is None else msgspec.json.decode(result, type=dict[str, Any])
    return Job(**_fields(stored), result=decoded)


def _fields(stored: StoredJob) -> dict[str, Any]:
    return {
        **asdict(stored, recurse=False),
        "kind": JobKind(stored.kind),
        "arguments": msgspec.json.decode(stored.arguments),
        "state": _state(stored),
    }


def _state(stored: StoredJob) -> JobState:
    if stored.ended_at is not None:
        return JobState.DONE if stored.problem is None else JobState.FAILED
    return JobState.WAITING if stored.began_at is None else JobState.RUNNING
