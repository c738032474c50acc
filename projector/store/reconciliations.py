"""Stores the comparisons with Voucherify, and reads what the tables know of its feeds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from attrs import frozen
from sqlalchemy import Connection, Select, and_, case, func, insert, select, update

from projector.projections import loyalty_tier, segment_membership
from projector.store.read_errors import translate_read_errors
from projector.store.row_tables import table_of
from projector.store.tables import reconciliation


@frozen(kw_only=True)
class Reconciliation:
    """The result of a comparison."""

    run_id: str
    project_id: str
    ended_at: datetime
    compared: int
    differing: int
    repaired: int
    remaining: int
    requests: int
    #: The number of differences by reason.
    reasons: Mapping[str, int]
    stopped: str | None


class SegmentFeed(NamedTuple):
    """What came of a segment, by the rows of its members."""

    first_entry_at: datetime | None
    first_leave_at: datetime | None


def begin(
    connection: Connection, run_id: str, project_id: str, *, begun_at: datetime, source: str
) -> None:
    """Store that a comparison begins."""
    counts = dict.fromkeys(("compared", "differing", "repaired", "remaining", "requests"), 0)
    values = {"run_id": run_id, "project_id": project_id, "begun_at": begun_at, "source": source}
    connection.execute(insert(reconciliation).values(**values, **counts, reasons="{}"))


def end(connection: Connection, found: Reconciliation) -> None:
    """Store the result of a comparison."""
    statement = update(reconciliation).where(reconciliation.c.run_id == found.run_id)
    connection.execute(
        statement.values(
            ended_at=found.ended_at,
            compared=found.compared,
            differing=found.differing,
            repaired=found.repaired,
            remaining=found.remaining,
            requests=found.requests,
            reasons=json.dumps(dict(sorted(found.reasons.items()))),
            stopped=found.stopped,
        )
    )


def last(connection: Connection) -> list[Reconciliation]:
    """Return the last comparison of each project that ended."""
    newest = (
        select(reconciliation.c.project_id, func.max(reconciliation.c.ended_at).label("ended_at"))
        .group_by(reconciliation.c.project_id)
        .subquery()
    )
    columns = [reconciliation.c[each] for each in Reconciliation.__annotations__]
    statement = select(*columns).join(
        newest,
        and_(
            reconciliation.c.project_id == newest.c.project_id,
            reconciliation.c.ended_at == newest.c.ended_at,
        ),
    )
    found = (dict(row) for row in connection.execute(statement).mappings())
    return [Reconciliation(**{**each, "reasons": json.loads(each["reasons"])}) for each in found]


def segment_feed(connection: Connection, project_id: str, segment_id: str) -> SegmentFeed:
    """Return since when entries into a segment and leaves are known; raises RowsUnreadable.

    Goes through all rows of the segment.
    """
    table = table_of(segment_membership.PROJECTION)
    left_at = case((table.c.ended_by_deletion.is_(False), table.c.left_at))
    statement: Select[Any] = select(func.min(table.c.entered_at), func.min(left_at)).where(
        table.c.project_id == project_id, table.c.segment_id == segment_id
    )
    with translate_read_errors(table.name):
        first_entry_at, first_leave_at = connection.execute(statement).one()
    return SegmentFeed(first_entry_at, first_leave_at)


def is_tier_fed(connection: Connection, project_id: str, tier_id: str) -> bool:
    """Return whether an event ever put a customer onto a tier, by the rows of its members.

    Goes through the rows of the tier up to the first one. Raises RowsUnreadable.
    """
    table = table_of(loyalty_tier.PROJECTION)
    statement = (
        select(table.c.tier_id)
        .where(
            table.c.project_id == project_id,
            table.c.tier_id == tier_id,
            table.c.joined_at.is_not(None),
        )
        .limit(1)
    )
    with translate_read_errors(table.name):
        return connection.execute(statement).first() is not None
