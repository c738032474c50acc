"""Which of several processes does a job that one of them is enough for.

The holder counts up its signs of life. Who watches judges them by a clock of its own, because the
clocks of several machines differ. A lease only spares work: two who think that they hold it, such
as one that was stopped and goes on, do no harm.
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import Connection, select, update

from projector.store import dialects
from projector.store.tables import lease


@frozen(kw_only=True)
class Lease:
    """A lease as it was read."""

    job: str
    #: None where nobody ever took it, or it was given back.
    holder: str | None = None
    #: Grows with each sign of life.
    heartbeats: int = 0


def read(connection: Connection, job: str) -> Lease:
    """The lease of a job."""
    row = connection.execute(select(lease).where(lease.c.job == job)).one_or_none()
    return Lease(job=job) if row is None else Lease(**row._mapping)


def take(connection: Connection, seen: Lease, holder: str) -> bool:
    """Compare-and-set: take a lease that had no sign of life since it was seen.

    Of several who saw the same one gets it.
    """
    first = dialects.insert(connection, lease).values(job=seen.job, holder=None, heartbeats=0)
    connection.execute(first.on_conflict_do_nothing())
    result = connection.execute(
        update(lease)
        .where(lease.c.job == seen.job, lease.c.heartbeats == seen.heartbeats)
        .values(holder=holder, heartbeats=seen.heartbeats + 1)
    )
    return result.rowcount == 1


def heartbeat(connection: Connection, job: str, holder: str) -> bool:
    """Give a sign of life; false, and nothing is changed, for who is not the holder any more."""
    result = connection.execute(
        update(lease)
        .where(lease.c.job == job, lease.c.holder == holder)
        .values(heartbeats=lease.c.heartbeats + 1)
    )
    return result.rowcount == 1


def release(connection: Connection, job: str, holder: str) -> None:
    """Let others take the lease at once; nothing is changed for who is not the holder any more."""
    connection.execute(
        update(lease).where(lease.c.job == job, lease.c.holder == holder).values(holder=None)
    )
