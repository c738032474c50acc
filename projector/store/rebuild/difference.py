"""The difference between a live table and its shadow: members of groups, and rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, select, union

from projector.projections.groups import Group
from projector.projections.rebuilding import Rebuilding
from projector.store.tables import table_of

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


def gained(connection: Connection, pair: Rebuilding, group: Group) -> list[GroupMove]:
    """Members by the shadow and not by the live table, by project and group."""
    return _moves(connection, _gained(pair, group))


def lost(connection: Connection, pair: Rebuilding, group: Group) -> list[GroupMove]:
    """Members by the live table and not by the shadow, by project and group."""
    return _moves(connection, _lost(pair, group))


def count_customers(connection: Connection, pairs: Sequence[tuple[Rebuilding, Group]]) -> int:
    """Count the customers who gain or lose anything, each once."""
    moving = [which(*each) for each in pairs for which in (_gained, _lost)]
    if not moving:
        return 0
    found = [select(each.c.project_id, each.c.customer_id) for each in map(Select.subquery, moving)]
    statement = select(func.count()).select_from(union(*found).subquery())
    return int(connection.execute(statement).scalar_one())


def count_rows(connection: Connection, pair: Rebuilding) -> tuple[int, int]:
    """Count the rows that only the shadow has, and those that only the live table has."""
    live, filled = table_of(pair.live), table_of(pair.shadow)
    found = [
        select(func.count()).select_from(select(one).except_(select(other)).subquery())
        for one, other in ((filled, live), (live, filled))
    ]
    new, gone = (int(connection.execute(each).scalar_one()) for each in found)
    return new, gone


def _gained(pair: Rebuilding, group: Group) -> Select[Any]:
    return _only_in(pair, group, table_of(pair.shadow), table_of(pair.live))


def _lost(pair: Rebuilding, group: Group) -> Select[Any]:
    return _only_in(pair, group, table_of(pair.live), table_of(pair.shadow))


def _only_in(pair: Rebuilding, group: Group, one: Table, other: Table) -> Select[Any]:
    """Members by one table and not by the other."""
    keys = ["project_id", "customer_id", *pair.live.key]
    same = and_(*(other.c[key] == one.c[key] for key in keys), other.c[group.id] == one.c[group.id])
    return select(
        one.c.project_id,
        one.c.customer_id,
        one.c[group.id].label("group_id"),
        one.c[group.name].label("name"),
    ).where(_is_member(one, group), ~exists().where(same, _is_member(other, group)))


def _is_member(table: Table, group: Group) -> ColumnElement[bool]:
    if group.member_flag is None:
        return table.c[group.id].is_not(None)
    return table.c[group.member_flag].is_(True)


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
