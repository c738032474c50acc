"""Stores the record of each erasure, which also opens and shuts the door to the log.

While an erasure has no position, the triggers of the log let its events become markers; so that is
the case within the erasure's transaction only.
"""

from __future__ import annotations

from datetime import datetime

from attrs import asdict, fields, frozen
from sqlalchemy import Connection, ScalarSelect, bindparam, func, insert, select, update

from projector.store.predicates import within_int64
from projector.store.tables import erasure


@frozen(kw_only=True)
class Erasure:
    """An erasure: a row of the table."""

    erasure_id: int
    project_id: str
    erased_at: datetime
    #: The operator's own, such as the number of a ticket.
    reference: str | None
    customers: int
    events: int
    #: The rows of all projections that were deleted.
    rows: int
    #: The entries of the quarantine that were emptied.
    quarantined: int
    #: The position of the last event that tells of it; None while the door is open.
    position: int | None
    #: When the erased bytes were overwritten in the files; None until then.
    purged_at: datetime | None


#: The number of the last erasure; 0 for none.
LAST_ERASURE: ScalarSelect[int] = select(
    func.coalesce(func.max(erasure.c.erasure_id), 0)
).scalar_subquery()

_COLUMNS = tuple(erasure.c[each.name] for each in fields(Erasure))
_ALL = select(*_COLUMNS).order_by(erasure.c.erasure_id)
_ONE = select(*_COLUMNS).where(erasure.c.erasure_id == bindparam("id"))
_PROJECTS = select(erasure.c.project_id).distinct().order_by(erasure.c.project_id)


def list_all(connection: Connection) -> list[Erasure]:
    """Return all erasures, in their order."""
    return [Erasure(**row._mapping) for row in connection.execute(_ALL)]


def find(connection: Connection, erasure_id: int) -> Erasure | None:
    """Return an erasure, or None."""
    if not within_int64([erasure_id]):
        return None
    row = connection.execute(_ONE, {"id": erasure_id}).one_or_none()
    return None if row is None else Erasure(**row._mapping)


def last_erasure(connection: Connection) -> int:
    """Return the number of the last erasure; 0 for none."""
    return connection.execute(select(LAST_ERASURE)).scalar_one()


def projects(connection: Connection) -> list[str]:
    """Return the projects of which customers were erased."""
    return list(connection.execute(_PROJECTS).scalars())


def open_door(connection: Connection, opened: Erasure) -> None:
    """Insert an erasure without a position: events may become markers until `shut_door`."""
    connection.execute(insert(erasure).values(asdict(opened)))


def shut_door(connection: Connection, erasure_id: int, position: int) -> None:
    """Record the position of the event that tells of an erasure; its counts are final."""
    connection.execute(
        update(erasure).where(erasure.c.erasure_id == erasure_id).values(position=position)
    )
