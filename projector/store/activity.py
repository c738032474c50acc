"""Stores how far each customer's activity was read from Voucherify's API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache

from attrs import astuple, frozen
from sqlalchemy import Connection, bindparam, delete, select

from projector.envelope import CustomerKey
from projector.store import bulk
from projector.store.predicates import in_values
from projector.store.tables import activity

#: Precedes the time in the scope of a reading from some time on; it ends with `=`.
SINCE = "since="


class Status(StrEnum):
    """The end of the last reading of a customer's activity, or that it has not ended."""

    #: Behind the cursor there may be more: it goes on, or was broken off.
    READING = "reading"
    DONE = "done"
    #: The customer does not exist.
    ABSENT = "absent"
    FAILED = "failed"


@frozen(kw_only=True)
class Reading:
    """The progress of reading a customer's activity: a row of the table, in its columns' order."""

    project_id: str
    customer_id: str
    scope: str
    status: Status = Status.READING
    cursor: str | None = None
    begun_at: datetime | None = None
    newest_at: datetime | None = None
    read_at: datetime | None = None
    requests: int = 0
    entries: int = 0
    problem: str | None = None

    @property
    def customer(self) -> CustomerKey:
        """The customer."""
        return CustomerKey(self.project_id, self.customer_id)


_KEY = (activity.c.project_id, activity.c.customer_id, activity.c.scope)
_FIND = select(activity).where(*(column == bindparam(column.name) for column in _KEY))


def find(connection: Connection, customer: CustomerKey, scope: str) -> Reading:
    """Return how far a customer's activity was read; a new reading if it never was."""
    key = {**customer._asdict(), "scope": scope}
    row = connection.execute(_FIND, key).one_or_none()
    if row is None:
        return Reading(**key)
    values = dict(row._mapping)
    return Reading(**{**values, "status": Status(values["status"])})


def save(connection: Connection, reading: Reading) -> None:
    """Store how far a customer's activity was read.

    A reading from some time on replaces those of the same events from other times: else each run
    with a time of its own would leave a row for each customer.
    """
    values = astuple(reading, recurse=False)
    row = tuple(str(each) if isinstance(each, Status) else each for each in values)
    bulk.upsert_many_by(connection, activity, [row], _on_conflict())
    before, since, _ = reading.scope.partition(SINCE)
    if since:
        begin = before + since
        # `>` is the character behind `=`: a range of the primary key.
        end = f"{begin[:-1]}>"
        connection.execute(
            delete(activity).where(
                activity.c.project_id == reading.project_id,
                activity.c.customer_id == reading.customer_id,
                activity.c.scope >= begin,
                activity.c.scope < end,
                activity.c.scope != reading.scope,
            )
        )


def read_at_since(
    connection: Connection,
    project_id: str,
    customer_ids: Sequence[str],
    *,
    scope: str,
    since: datetime,
) -> set[str]:
    """Return those customers whose activity was read to its end at `since` or later."""
    statement = select(activity.c.customer_id).where(
        activity.c.project_id == project_id,
        in_values(connection, activity.c.customer_id, customer_ids),
        activity.c.scope == scope,
        activity.c.read_at >= since,
    )
    return set(connection.execute(statement).scalars())


@cache
def _on_conflict() -> str:
    return bulk.on_conflict(activity)
