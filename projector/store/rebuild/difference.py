"""Compares a live table with its shadow: members of groups (segments, tiers), and rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, exists, func, select, union

from projector.projections.groups import Group
from projector.projections.rebuilding import Rebuilding
from projector.store.row_tables import table_of

#: The number of customers that are named for each segment and tier, at the most.
EXAMPLES_MAX = 3


class GroupMove(NamedTuple):
    """The customers who enter one segment or tier, or leave it, by a swap."""

    project_id: str
    group_id: str
    name: str | None
    #: The number of these customers.
    customers: int
    #: The ids of the first ones, by id; EXAMPLES_MAX at the most.
    examples: tuple[str, ...]


def gained(connection: Connection, pair: Rebuilding, group: Group) -> list[GroupMove]:
    """Return the members in the shadow but not in the live table, by project and group."""
    return _moves(connection, _gained(pair, group))


def lost(connection: Connection, pair: Rebuilding, group: Group) -> list[GroupMove]:
    """Return the members in the live table but not in the shadow, by project and group."""
    return _moves(connection, _lost(pair, group))


def count_customers(connection: Connection, pairs: Sequence[tuple[Rebuilding, Group]]) -> int:
    """Count the customers who enter or leave any group of the pairs, each once."""
    moves = [which(*each) for each in pairs for which in (_gained, _lost)]
    if not moves:
        return 0
    keys = [select(each.c.project_id, each.c.customer_id) for each in map(Select.subquery, moves)]
    statement = select(func.count()).select_from(union(*keys).subquery())
    return int(connection.execute(statement).scalar_one())


def count_rows(connection: Connection, pair: Rebuilding) -> tuple[int, int]:
    """Count the rows that only the shadow has (new), and those that only the live table has (gone).

    A row that differs in any column counts as both.
    """
    live, shadow = table_of(pair.live), table_of(pair.shadow)
    statements = [
        select(func.count()).select_from(select(table).except_(select(other)).subquery())
        for table, other in ((shadow, live), (live, shadow))
    ]
    new, gone = (int(connection.execute(each).scalar_one()) for each in statements)
    return new, gone


def _gained(pair: Rebuilding, group: Group) -> Select[Any]:
    return _only_in(pair, group, table_of(pair.shadow), table_of(pair.live))


def _lost(pair: Rebuilding, group: Group) -> Select[Any]:
    return _only_in(pair, group, table_of(pair.live), table_of(pair.shadow))


def _only_in(pair: Rebuilding, group: Group, table: Table, other: Table) -> Select[Any]:
    """Select the members of a group in a table who are not members in the other one."""
    names = ["project_id", "customer_id", *pair.live.key, group.id]
    same = and_(*(other.c[name] == table.c[name] for name in names))
    return select(
        table.c.project_id,
        table.c.customer_id,
        table.c[group.id].label("group_id"),
        table.c[group.name].label("name"),
    ).where(_is_member(table, group), ~exists().where(same, _is_member(other, group)))


def _is_member(table: Table, group: Group) -> ColumnElement[bool]:
    if group.member_flag is None:
        return table.c[group.id].is_not(None)
    return table.c[group.member_flag].is_(True)


def _moves(connection: Connection, members: Select[Any]) -> list[GroupMove]:
    """Group the selected members by project and group; fetch only the first ones of each."""
    moving = members.subquery()
    group = (moving.c.project_id, moving.c.group_id)
    number = func.row_number().over(partition_by=group, order_by=moving.c.customer_id)
    total = func.count().over(partition_by=group)
    ranked = select(moving, number.label("number"), total.label("customers")).subquery()
    statement = (
        select(ranked)
        .where(ranked.c.number <= EXAMPLES_MAX)
        .order_by(ranked.c.project_id, ranked.c.group_id, ranked.c.number)
    )
    by_group = groupby(connection.execute(statement).all(), key=lambda row: row[0:1] + row[2:3])
    return [_to_move(list(rows)) for _, rows in by_group]


def _to_move(rows: Sequence[Any]) -> GroupMove:
    first = rows[0]
    examples = tuple(row.customer_id for row in rows)
    return GroupMove(first.project_id, first.group_id, first.name, first.customers, examples)
