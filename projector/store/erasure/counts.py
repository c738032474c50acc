"""Counts what was erased so far."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, func, select

from projector.store.tables import erasure


@frozen(kw_only=True)
class ErasureCounts:
    """What was erased; all zeros if nothing was."""

    #: The customers, and their events.
    customers: int
    events: int
    #: When the last erasure was; null if nothing was erased.
    last: datetime | None
    #: The erasures whose bytes may still be in the files of the database: `projector purge`.
    unpurged: int


_COUNTS = select(
    func.coalesce(func.sum(erasure.c.customers), 0),
    func.coalesce(func.sum(erasure.c.events), 0),
    func.max(erasure.c.erased_at),
    func.count() - func.count(erasure.c.purged_at),
)


def read(connection: Connection) -> ErasureCounts:
    """Return the counts of all erasures; reads all of their rows, of which there are few."""
    customers, events, last, unpurged = connection.execute(_COUNTS).one()
    return ErasureCounts(
        customers=int(customers), events=int(events), last=last, unpurged=int(unpurged)
    )
