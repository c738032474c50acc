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
    project_id: str | None,
    campaign_id: str = "",
    group_id: str | None = None,
) -> list[SizeChange]:
    """Return all changes of one group, or of all groups of a campaign.

    `project_id` is a filter; without it, the sizes of all groups of the projection are looked
    through. Raises RowsUnreadable.
    """
    statement = _select(projection, project_id).where(group_size.c.campaign_id == campaign_id)
    if group_id is not None:
        statement = statement.where(group_size.c.group_id == group_id)
    return _run(connection, statement)


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
    if project_id is not None:
        before = before.where(group_size.c.project_id == project_id)
    changes = _select(projection, project_id).where(group_size.c.day >= first)
    with translate_read_errors(group_size.name):
        return (
            [SizeBefore(*row) for row in connection.execute(before).all()],
            _run(connection, changes),
        )


def _select(projection: Projection, project_id: str | None) -> Select[Any]:
    statement: Select[Any] = select(*_CHANGE).where(group_size.c.projection == projection.name)
    if project_id is not None:
        statement = statement.where(group_size.c.project_id == project_id)
    return statement


def _run(connection: Connection, statement: Select[Any]) -> list[SizeChange]:
    with translate_read_errors(group_size.name):
        return [SizeChange(*row) for row in connection.execute(statement).all()]


def past_names_of_tier(
    connection: Connection, *, project_id: str, tier_id: str
) -> tuple[str | None, str | None] | None:
    """Return the names of the campaign and the tier in a row of the history; None without rows."""
    table = table_of(loyalty_tier_history.PROJECTION)
    row = _row_of_tier(
        connection, table, (table.c.campaign_name, table.c.tier_name), project_id, tier_id
    )
    return None if row is None else (row[0], row[1])


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
