"""Lists the members of segments and tiers, page by page.

Keyset pagination: a page begins after the key at which the previous one ended, so that it costs
the same at any depth, and rows that are inserted or deleted meanwhile do not shift the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
)

from projector.projections import customer, loyalty_tier
from projector.projections.groups import Group
from projector.store.group_sizes import GroupTotal
from projector.store.predicates import after_key, is_storable_text, same_customer
from projector.store.read_errors import translate_read_errors
from projector.store.row_tables import table_of


def page(
    connection: Connection,
    group: Group,
    group_id: str,
    *,
    project_id: str | None,
    as_of: datetime | None,
    after: tuple[str, ...] | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return a page of a group's members, now or at `as_of`, in the order of their keys.

    Rows have the columns of `group.member_key`, `since`, and the customer's `source_id` and `name`.
    The page begins after the key `after`; `project_id` is a filter. Raises RowsUnreadable.
    """
    if not is_storable_text(project_id):
        return []
    table = table_of(group.now if as_of is None else group.history)
    key = [table.c[name] for name in group.member_key]
    since = table.c[group.since if as_of is None else group.since_then].label("since")
    statement: Select[Any] = (
        select(*key, since, _customer_column("source_id", table), _customer_column("name", table))
        .where(table.c[group.id] == group_id, _is_member(group, as_of))
        .order_by(*key)
        .limit(limit)
    )
    if project_id is not None:
        statement = statement.where(table.c.project_id == project_id)
    if after is not None:
        statement = statement.where(after_key(key, after, first=project_id))
    with translate_read_errors(table.name):
        return connection.execute(statement).all()


def _customer_column(name: str, table: Table) -> ColumnElement[Any]:
    """Return a column of the customer of a row, from the projection `customer`.

    A scalar subquery and not a join: Postgres would choose a merge join, and scan all customers
    before the page.
    """
    customers = table_of(customer.PROJECTION)
    value = select(customers.c[name]).where(same_customer(customers, table))
    return value.scalar_subquery().label(name)


def is_known(connection: Connection, group: Group, group_id: str) -> bool:
    """Return whether any customer is or ever was in a group, according to the events."""
    return any(
        connection.execute(
            select(literal(1))
            .where(table_of(name).c[group.id] == group_id)
            # The next column of the index, so that Postgres uses it. It may estimate many rows for
            # any id, and would then scan the table for the first one, also if there is none.
            .order_by(table_of(name).c[column])
            .limit(1)
        ).first()
        for name, column in (
            (group.now, group.member_flag or "project_id"),
            (group.history, "project_id"),
        )
    )


def newest_names(connection: Connection, group: Group, key: GroupTotal) -> Sequence[Row[Any]]:
    """Return the names of one group in its rows, each with when they last began a membership.

    Rows: the columns of names, and `name_seen_at`. Goes through all rows of the group. Raises
    RowsUnreadable.
    """
    table = table_of(group.now)
    memberships = group.memberships
    names = [table.c[name] for name in memberships.names]
    # Not the end of a membership: the event there may have no name, and the row keeps an older one.
    began = func.coalesce(
        table.c[memberships.since], case((_is_member(group, None), table.c.seen_at))
    )
    seen_at = func.max(began).label("name_seen_at")
    columns: list[ColumnElement[Any]] = [*names, seen_at]
    statement: Select[Any] = select(*columns).where(
        table.c.project_id == key.project_id, table.c[memberships.group_id] == key.group_id
    )
    if memberships.campaign_id is not None:
        statement = statement.where(table.c[memberships.campaign_id] == key.campaign_id)
    with translate_read_errors(table.name):
        return connection.execute(statement.group_by(*names)).all()


def _is_member(group: Group, as_of: datetime | None) -> ColumnElement[bool]:
    """Return the condition that a row is a membership that holds now, or at an instant."""
    if as_of is None:
        return (
            true()
            if group.member_flag is None
            else table_of(group.now).c[group.member_flag] == true()
        )
    table = table_of(group.history)
    begun = table.c.valid_from <= as_of
    return and_(begun, or_(table.c.valid_to.is_(None), table.c.valid_to > as_of))


def count_overdue(connection: Connection, day: date) -> int:
    """Count the tiers that should have ended before a day."""
    table = table_of(loyalty_tier.PROJECTION)
    statement = select(func.count()).select_from(table).where(table.c.expires_on < day)
    return int(connection.execute(statement).scalar_one())
