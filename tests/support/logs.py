"""Logs to rebuild from, and engines that cut them small."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from projector.store import customers
from projector.store.database import Database
from replay import plan, spill
from replay.engines import EnginePiece, Job, buckets
from replay.spill import Assignment
from tests.support.engines import as_engine

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))


@contextmanager
def cut_small(events: int) -> Iterator[None]:
    """Plans of ranges and buckets of so many events."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(plan, "RANGE_EVENTS_MAX", events)
        patched.setattr(plan, "BUCKET_EVENTS", events)
        yield


@as_engine
def by_steps(job: Job) -> Iterator[EnginePiece]:
    """An engine: what the workers of the parallel one do, one after the other in this process."""
    with job.database.reading() as connection:
        in_order = customers.in_order(connection)
        spill.assign(job.folder, job.plan.streams, job.plan.buckets, in_order)
    bucket_of = Assignment(job.folder).bucket_of
    for cut in job.plan.ranges():
        buckets.scan(job, bucket_of, cut)
    for bucket in range(job.plan.buckets):
        yield buckets.fold_bucket(job, bucket)[1]


def sql(database: Database, statement: str) -> list[Any]:
    """What a statement of somebody else gives, if anything."""
    with database.writing() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def schema_of(database: Database) -> set[str]:
    """The names of all tables, indexes and constraints, and on SQLite how they were written."""
    statement = (
        "SELECT type || ' ' || name || ' ' || replace(coalesce(sql, ''), '\"', '')"
        " FROM sqlite_schema"
        if database.is_sqlite
        else "SELECT 'table ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " UNION ALL SELECT 'constraint ' || conname || ' ' || pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
    )
    return {row[0] for row in sql(database, statement)}
