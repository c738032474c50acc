"""Reads how the sizes of groups came about, day by day: see `group_sizes`."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Select, Table, case, cast, func, select

from projector.projections import loyalty_tier, loyalty_tier_history
from projector.projections.projection import Projection
from projector.store.read_errors import translate_read_errors
from projector.store.row_tables import table_of
from projector.store.tables import group_size


class SizeChange(NamedTuple):
    """How many memberships of a group began and ended on a day."""

    project_id: str
    #: Empty for a group that belongs to no campaign.
    campaign_id: str
    group_id: str
    #: `group_sizes.UNKNOWN` for those of unknown beginning.
    day: date
    entries: int
    exits: int


class SizeBefore(NamedTuple):
    """The size of a group at the beginning of a day."""

    project_id: str
    campaign_id: str
    group_id: str
    members: int


_CHANGE = tuple(group_size.c[name] for name in SizeChange._fields)
_GROUP = tuple(group_size.c[name] for name in ("project_id", "campaign_id", "group_id"))


def of_groups(
    connection: Connection,
    projection: Projection,
    *,
    project_id: str,
    campaign_id: str = "",
    group_id: str | None = None,
) -> list[SizeChange]:
    """Return all changes of one group, or of all groups of a campaign; raises RowsUnreadable."""
    statement = _select(projection, campaign_id, group_id)
    statement = statement.where(group_size.c.project_id == project_id)
    with translate_read_errors(group_size.name):
        return [SizeChange(*row) for row in connection.execute(statement).all()]


def in_all_projects(
    connection: Connection,
    projection: Projection,
    *,
    campaign_id: str = "",
    group_id: str | None = None,
) -> list[SizeChange]:
    """Return the changes that `of_groups` returns, of all projects; looks through all sizes."""
    statement = _select(projection, campaign_id, group_id)
    with translate_read_errors(group_size.name):
        return [SizeChange(*row) for row in connection.execute(statement).all()]


def since(
    connection: Connection, projection: Projection, *, project_id: str | None, first: date
) -> tuple[list[SizeBefore], list[SizeChange]]:
    """Return the sizes of all groups before a day, and their changes from that day on.

    `project_id` is a filter. Raises RowsUnreadable.
    """
    sizes = group_size.c.entries - group_size.c.exits
    members = cast(func.sum(case((group_size.c.day < first, sizes), else_=0)), BigInteger)
    before: Select[Any] = (
        select(*_GROUP, members).where(group_size.c.projection == projection.name).group_by(*_GROUP)
    )
    changes: Select[Any] = select(*_CHANGE).where(
        group_size.c.projection == projection.name, group_size.c.day >= first
    )
    if project_id is not None:
        before = before.where(group_size.c.project_id == project_id)
        changes = changes.where(group_size.c.project_id == project_id)
    with translate_read_errors(group_size.name):
        return (
            [SizeBefore(*row) for row in connection.execute(before).all()],
            [SizeChange(*row) for row in connection.execute(changes).all()],
        )


def _select(projection: Projection, campaign_id: str, group_id: str | None) -> Select[Any]:
    statement: Select[Any] = select(*_CHANGE).where(
        group_size.c.projection == projection.name, group_size.c.campaign_id == campaign_id
    )
    return statement if group_id is None else statement.where(group_size.c.group_id == group_id)


class PastTier(NamedTuple):
    """A tier in a row of the history."""

    campaign_name: str | None
    tier_name: str | None
    #: The events at the beginning and at the end of the period.
    opened_by: str | None
    closed_by: str | None


def past_tier(connection: Connection, *, project_id: str, tier_id: str) -> PastTier | None:
    """Return a tier as the history has it in the row of one of its customers; None without any."""
    table = table_of(loyalty_tier_history.PROJECTION)
    columns = [table.c[name] for name in PastTier._fields]
    row = _row_of_tier(connection, table, columns, project_id, tier_id)
    return None if row is None else PastTier(*row)


def points_of_tier(connection: Connection, *, project_id: str, tier_id: str) -> int | None:
    """Return the least number of points on a tier, in the row of one of its customers.

    None if nobody is on it, or no event shows it.
    """
    table = table_of(loyalty_tier.PROJECTION)
    row = _row_of_tier(connection, table, (table.c.points_from,), project_id, tier_id)
    return None if row is None else row[0]


def _row_of_tier(
    connection: Connection, table: Table, columns: Any, project_id: str, tier_id: str
) -> Any:
    statement = (
        select(*columns)
        .where(table.c.tier_id == tier_id, table.c.project_id == project_id)
        # The next column of the index, so that Postgres uses it.
        .order_by(table.c.customer_id)
        .limit(1)
    )
    with translate_read_errors(table.name):
        return connection.execute(statement).first()
