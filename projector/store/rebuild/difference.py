"""Who is in a segment or on a tier by one of two tables, and not by the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, select, union

from projector.projections.projection import Projection
from projector.store import tables
from projector.store.rebuild import shadow

#: How many customers are named for each segment and tier.
EXAMPLES_MAX = 3


class GroupMove(NamedTuple):
    """Customers who come into one segment or tier, or go out of it."""

    project_id: str
    group_id: str
    name: str | None
    customers: int
    #: The first ones by id, at the most EXAMPLES_MAX.
    examples: tuple[str, ...]


class _Group(NamedTuple):
    """By which columns a table tells who is where."""

    id: str
    name: str
    #: The column that must be true, if not every row with the id counts.
    holds: str | None = None


_GROUPS = {
    "segment_membership": _Group("segment_id", "segment_name", "is_member"),
    "loyalty_tier": _Group("tier_id", "tier_name"),
}


def has_groups(projection: Projection) -> bool:
    """Whether a projection says who is in a segment or on a tier."""
    return projection.name in _GROUPS


def gained(connection: Connection, projection: Projection) -> list[GroupMove]:
    """Who is there by the shadow and not by the live table, by project and group."""
    return _moves(connection, _gained(projection))


def lost(connection: Connection, projection: Projection) -> list[GroupMove]:
    """Who is there by the live table and not by the shadow, by project and group."""
    return _moves(connection, _lost(projection))


def count_customers(connection: Connection, projections: Sequence[Projection]) -> int:
    """How many customers gain or lose anything, each counted once."""
    moving = [which(each) for each in projections for which in (_gained, _lost)]
    if not moving:
        return 0
    found = [select(each.c.project_id, each.c.customer_id) for each in map(Select.subquery, moving)]
    statement = select(func.count()).select_from(union(*found).subquery())
    return int(connection.execute(statement).scalar_one())


def count_rows(connection: Connection, projection: Projection) -> tuple[int, int]:
    """How many rows are in the shadow alone, and how many in the live table alone."""
    live, twin = tables.table_of(projection), tables.table_of(shadow.of(projection))
    found = [
        select(func.count()).select_from(select(one).except_(select(other)).subquery())
        for one, other in ((twin, live), (live, twin))
    ]
    new, gone = (int(connection.execute(each).scalar_one()) for each in found)
    return new, gone


def _gained(projection: Projection) -> Select[Any]:
    live, twin = tables.table_of(projection), tables.table_of(shadow.of(projection))
    return _only_in(projection, twin, live)


def _lost(projection: Projection) -> Select[Any]:
    live, twin = tables.table_of(projection), tables.table_of(shadow.of(projection))
    return _only_in(projection, live, twin)


def _only_in(projection: Projection, one: Table, other: Table) -> Select[Any]:
    """Customers and groups that hold by one table and not by the other."""
    group = _GROUPS[projection.name]
    keys = ["project_id", "customer_id", *projection.key]
    same = and_(*(other.c[key] == one.c[key] for key in keys), other.c[group.id] == one.c[group.id])
    return select(
        one.c.project_id,
        one.c.customer_id,
        one.c[group.id].label("group_id"),
        one.c[group.name].label("name"),
    ).where(_holds(one, group), ~exists().where(same, _holds(other, group)))


def _holds(table: Table, group: _Group) -> ColumnElement[bool]:
    return table.c[group.id].is_not(None) if group.holds is None else table.c[group.holds].is_(True)


def _moves(connection: Connection, moving: Select[Any]) -> list[GroupMove]:
    found = moving.subquery()
    group = (found.c.project_id, found.c.group_id)
    number = func.row_number().over(partition_by=group, order_by=found.c.customer_id)
    of_all = func.count().over(partition_by=group)
    ranked = select(found, number.label("number"), of_all.label("customers")).subquery()
    statement = (
        select(ranked)
        .where(ranked.c.number <= EXAMPLES_MAX)
        .order_by(ranked.c.project_id, ranked.c.group_id, ranked.c.number)
    )
    by_group = groupby(connection.execute(statement).all(), key=lambda row: row[0:1] + row[2:3])
    return [_move(list(some)) for _, some in by_group]


def _move(some: Sequence[Any]) -> GroupMove:
    first = some[0]
    examples = tuple(row.customer_id for row in some)
    return GroupMove(first.project_id, first.group_id, first.name, first.customers, examples)
