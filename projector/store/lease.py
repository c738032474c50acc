"""Stores leases: which one of several processes does a job (leader election).

The holder increments a heartbeat counter. Other processes judge its silence by their own clocks,
because the clocks of several machines differ. A lease only saves work: two processes that both
believe they hold it, such as one that was suspended and resumes, do no harm.
"""

from __future__ import annotations

from attrs import frozen
from sqlalchemy import Connection, select, update

from projector.store import dialects
from projector.store.tables import lease


@frozen(kw_only=True)
class Lease:
    """The lease of a job as it was read."""

    job: str
    #: The process that holds it; None if it was never taken, or was released.
    holder: str | None = None
    #: The counter of heartbeats; also incremented when the lease is taken.
    heartbeats: int = 0


def read(connection: Connection, job: str) -> Lease:
    """Return the lease of a job; one without a holder if it was never taken."""
    row = connection.execute(select(lease).where(lease.c.job == job)).one_or_none()
    return Lease(job=job) if row is None else Lease(**row._mapping)


def take(connection: Connection, seen: Lease, holder: str) -> bool:
    """Take a lease by compare-and-set: return False if it had a heartbeat since it was `seen`.

    If several processes have seen the same lease, exactly one of them gets it.
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
    """Record a heartbeat; return False, and change nothing, if `holder` does not hold the lease."""
    result = connection.execute(
        update(lease)
        .where(lease.c.job == job, lease.c.holder == holder)
        .values(heartbeats=lease.c.heartbeats + 1)
    )
    return result.rowcount == 1


def release(connection: Connection, job: str, holder: str) -> None:
    """Release a lease, so that others can take it at once; no effect unless `holder` holds it."""
    connection.execute(
        update(lease).where(lease.c.job == job, lease.c.holder == holder).values(holder=None)
    )
