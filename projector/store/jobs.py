"""Stores jobs: what was asked for over HTTP and is done in the background."""

from __future__ import annotations

from datetime import datetime

from attrs import fields, frozen
from sqlalchemy import Connection, delete, func, literal, select, update

from projector.store import dialects
from projector.store.predicates import within_int64
from projector.store.tables import job

#: The number of jobs that are kept; older ones are deleted once they have ended.
KEPT_MAX = 1_000


@frozen(kw_only=True)
class StoredJob:
    """A job without its result, which may be long and is read by `results`."""

    job_id: int
    kind: str
    #: A JSON object.
    arguments: str
    asked_by: str
    asked_at: datetime
    began_at: datetime | None
    ended_at: datetime | None
    phase: str | None
    phase_began_at: datetime | None
    done: int | None
    total: int | None
    exit_code: int | None
    problem: str | None


@frozen(kw_only=True)
class JobProgress:
    """How far a job is: the steps of its phase that are done, and all of them if known."""

    phase: str
    phase_began_at: datetime
    done: int
    total: int | None


@frozen(kw_only=True)
class JobEnd:
    """What came of a job."""

    ended_at: datetime
    #: None if the command was not run to its end.
    exit_code: int | None
    #: A JSON object, or None if it failed.
    result: str | None
    #: A sentence, or None if it did not fail.
    problem: str | None


_JOB = tuple(job.c[each.name] for each in fields(StoredJob))


def add(
    connection: Connection, *, kind: str, arguments: str, asked_by: str, asked_at: datetime
) -> int:
    """Insert a job and return its id; delete old ones."""
    columns = (job.c.job_id, job.c.kind, job.c.arguments, job.c.asked_by, job.c.asked_at)
    next_id = select(func.coalesce(func.max(job.c.job_id), 0) + 1).scalar_subquery()
    values = (
        literal(value, column.type)
        for value, column in zip((kind, arguments, asked_by, asked_at), columns[1:], strict=True)
    )
    statement = (
        dialects.insert(connection, job)
        .from_select(columns, select(next_id, *values))
        .on_conflict_do_nothing()
        .returning(job.c.job_id)
    )
    job_id: int | None = None
    # Another server that adds one at the same moment may take the id first.
    while job_id is None:
        job_id = connection.execute(statement).scalar_one_or_none()
    connection.execute(
        delete(job).where(job.c.job_id <= job_id - KEPT_MAX, job.c.ended_at.is_not(None))
    )
    return job_id


def find(connection: Connection, job_id: int) -> StoredJob | None:
    """Return a job, or None."""
    if not within_int64([job_id]):
        return None
    row = connection.execute(select(*_JOB).where(job.c.job_id == job_id)).one_or_none()
    return None if row is None else StoredJob(**row._mapping)


def results(connection: Connection, job_ids: list[int]) -> dict[int, str]:
    """Return the results of jobs by job_id; those without one are left out."""
    statement = select(job.c.job_id, job.c.result).where(
        job.c.job_id.in_(job_ids), job.c.result.is_not(None)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def latest(connection: Connection, *, limit: int) -> list[StoredJob]:
    """Return the last jobs, the newest one first."""
    statement = select(*_JOB).order_by(job.c.job_id.desc()).limit(limit)
    return [StoredJob(**row._mapping) for row in connection.execute(statement)]


def unended(connection: Connection) -> list[StoredJob]:
    """Return the jobs that wait or run, in the order in which they were asked for."""
    statement = select(*_JOB).where(job.c.ended_at.is_(None)).order_by(job.c.job_id)
    return [StoredJob(**row._mapping) for row in connection.execute(statement)]


def begin(connection: Connection, job_id: int, *, at: datetime) -> bool:
    """Record that a job begins; return False, and change nothing, if it began already."""
    result = connection.execute(
        update(job).where(job.c.job_id == job_id, job.c.began_at.is_(None)).values(began_at=at)
    )
    return result.rowcount == 1


def report(connection: Connection, job_id: int, progress: JobProgress) -> None:
    """Record how far a job is."""
    connection.execute(
        update(job)
        .where(job.c.job_id == job_id)
        .values(
            phase=progress.phase,
            phase_began_at=progress.phase_began_at,
            done=progress.done,
            total=progress.total,
        )
    )


def end(connection: Connection, job_id: int, ended: JobEnd) -> None:
    """Record what came of a job; no effect if it has ended already."""
    connection.execute(
        update(job)
        .where(job.c.job_id == job_id, job.c.ended_at.is_(None))
        .values(
            ended_at=ended.ended_at,
            exit_code=ended.exit_code,
            result=ended.result,
            problem=ended.problem,
        )
    )


def end_abandoned(connection: Connection, *, at: datetime, problem: str) -> None:
    """Record that all jobs that run have ended, because the server that ran them is gone."""
    connection.execute(
        update(job)
        .where(job.c.ended_at.is_(None), job.c.began_at.is_not(None))
        .values(ended_at=at, problem=problem)
    )
