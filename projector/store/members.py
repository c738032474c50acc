"""Lists the members of segments and tiers, page by page, and counts segments and tiers.

Keyset pagination: a page begins after the key at which the previous one ended, so that it costs
the same at any depth, and rows that are inserted or deleted meanwhile do not shift the pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Table,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)

from projector.projections import customer, loyalty_tier, segment_membership
from projector.projections.groups import Group
from projector.store.predicates import after_key, is_storable_text, same_customer
from projector.store.read_errors import translate_read_errors
from projector.store.tables import table_of


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


def count_segments(connection: Connection, *, project_id: str | None) -> Sequence[Row[Any]]:
    """Count the members of each segment, by project, segment and name (in this order).

    Rows: project_id, segment_id, segment_name, `members`, and `name_seen_at`: when an event last
    had this name for the segment. Raises RowsUnreadable.
    """
    if not is_storable_text(project_id):
        return []
    table = table_of(segment_membership.PROJECTION)
    # Not left_at: an event that ends a membership may have no name, and the row keeps an older one.
    name_seen_at = func.max(table.c.entered_at)
    group = (table.c.project_id, table.c.segment_id, table.c.segment_name)
    members = func.sum(cast(table.c.is_member, Integer))
    statement = _grouped(table.c.project_id, project_id, group, members, name_seen_at)
    with translate_read_errors(table.name):
        return connection.execute(statement).all()


def count_tiers(connection: Connection, *, project_id: str | None) -> Sequence[Row[Any]]:
    """Count the members of each tier, by project, campaign, tier and their names (in this order).

    Rows: project_id, campaign_id, tier_id, campaign_name, tier_name, `members`, and `name_seen_at`:
    when an event last had these names. Raises RowsUnreadable.
    """
    if not is_storable_text(project_id):
        return []
    table = table_of(loyalty_tier.PROJECTION)
    names = (table.c.campaign_name, table.c.tier_name)
    group = (table.c.project_id, table.c.campaign_id, table.c.tier_id, *names)
    statement = _grouped(
        table.c.project_id, project_id, group, func.count(), func.max(table.c.joined_at)
    )
    with translate_read_errors(table.name):
        return connection.execute(statement.where(table.c.tier_id.is_not(None))).all()


def _grouped(
    project: Column[str],
    project_id: str | None,
    group: Sequence[Column[Any]],
    members: ColumnElement[Any],
    name_seen_at: ColumnElement[Any],
) -> Select[Any]:
    columns = [*group, members.label("members"), name_seen_at.label("name_seen_at")]
    statement = select(*columns).group_by(*group).order_by(*group)
    return statement if project_id is None else statement.where(project == project_id)


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
