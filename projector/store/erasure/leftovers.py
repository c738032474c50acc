"""Deletes what tables beside the log have of the customers who are erased."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Column, Connection, MetaData, Table, delete, func, null, select, update

from projector.store.predicates import in_values
from projector.store.tables import activity, dead_letter, duplicate, job, snapshot
from projector.store.types import Key


def delete_rows(
    connection: Connection, name: str, project_id: str, customer_ids: Sequence[str]
) -> int:
    """Delete the rows that a projection's table has of customers; return how many.

    Whatever the layout of the table: an outdated one has these two columns as well.
    """
    table = _table(name)
    statement = delete(table).where(
        table.c.project_id == project_id, in_values(connection, table.c.customer_id, customer_ids)
    )
    return connection.execute(statement).rowcount


@cache
def _table(name: str) -> Table:
    return Table(name, MetaData(), Column("project_id", Key), Column("customer_id", Key))


def delete_dead_letters(connection: Connection, names: Iterable[str], at: Sequence[int]) -> int:
    """Delete the dead letters of the events at some positions; return how many.

    `names` are the projections that may have any. Their reasons quote bodies.
    """
    return sum(
        connection.execute(
            delete(dead_letter).where(
                dead_letter.c.projection == name,
                in_values(connection, dead_letter.c.position, at),
            )
        ).rowcount
        for name in names
    )


def delete_snapshots(
    connection: Connection, names: Iterable[str], stream_ids: Sequence[int]
) -> None:
    """Delete the snapshots of streams; `names` are the projections that may have any."""
    for name in names:
        connection.execute(
            delete(snapshot).where(
                snapshot.c.projection == name,
                in_values(connection, snapshot.c.stream_id, stream_ids),
            )
        )


def delete_duplicates(connection: Connection, at: Sequence[int]) -> int:
    """Delete the counts of duplicates of the events at some positions; return how many."""
    statement = delete(duplicate).where(in_values(connection, duplicate.c.position, at))
    return connection.execute(statement).rowcount


def delete_activity(connection: Connection, project_id: str, ids: Sequence[str]) -> None:
    """Delete how far customers' activity was read; `ids` are Voucherify's, and the shop's own."""
    connection.execute(
        delete(activity).where(
            activity.c.project_id == project_id,
            in_values(connection, activity.c.customer_id, ids),
        )
    )


def job_texts(connection: Connection) -> Iterable[tuple[int, str]]:
    """Return the texts of each job that may name a customer."""
    columns = (job.c.arguments, job.c.result, job.c.problem)
    for job_id, *texts in connection.execute(select(job.c.job_id, *columns)):
        yield job_id, "\n".join(filter(None, texts))


def empty_jobs(connection: Connection, job_ids: Sequence[int], *, at: datetime) -> None:
    """Empty jobs that name a customer. Those that wait are not begun; others have no result."""
    connection.execute(
        update(job)
        .where(in_values(connection, job.c.job_id, job_ids))
        .values(
            arguments="{}",
            result=null(),
            problem="It named a customer who is erased.",
            began_at=func.coalesce(job.c.began_at, at),
            ended_at=func.coalesce(job.c.ended_at, at),
        )
    )
