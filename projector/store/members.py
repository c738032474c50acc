"""Who is in a segment or on a tier, page by page, and which segments and tiers there are.

A page begins after the key where the last one ended, so that it costs the same at any depth, and
rows that come or go meanwhile move nobody else to another page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
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
    """The members whose place comes after one: place, since, and who they are, in order."""
    if not is_storable_text(project_id):
        return []
    table = table_of(group.now if as_of is None else group.history)
    place = [table.c[name] for name in group.member_key]
    since = table.c[group.since if as_of is None else group.since_then].label("since")
    statement: Select[Any] = (
        select(*place, since, _customer_column("source_id", table), _customer_column("name", table))
        .where(table.c[group.id] == group_id, _is_member(group, as_of))
        .order_by(*place)
        .limit(limit)
    )
    if project_id is not None:
        statement = statement.where(table.c.project_id == project_id)
    if after is not None:
        statement = statement.where(after_key(place, after, first=project_id))
    with translate_read_errors(table.name):
        return connection.execute(statement).all()


def _customer_column(name: str, table: Table) -> ColumnElement[Any]:
    """What the customer of a row is called.

    Not by a join: Postgres would merge, and for that go through all customers before the page.
    """
    who = table_of(customer.PROJECTION)
    asked = select(who.c[name]).where(same_customer(who, table))
    return asked.scalar_subquery().label(name)


def is_known(connection: Connection, group: Group, group_id: str) -> bool:
    """Whether any customer is or ever was in a group, as far as the events told."""
    return any(
        connection.execute(
            select(literal(1))
            .where(table_of(name).c[group.id] == group_id)
            # The next column of the index. Of many rows with the id, as it may think that there are
            # whatever the id is, Postgres would rather look for one in the table.
            .order_by(table_of(name).c[column])
            .limit(1)
        ).first()
        for name, column in (
            (group.now, group.member_flag or "project_id"),
            (group.history, "project_id"),
        )
    )


def count_segments(connection: Connection, *, project_id: str | None) -> Sequence[Row[Any]]:
    """By project, segment and name: members, and when the name was last told. In this order."""
    if not is_storable_text(project_id):
        return []
    table = table_of(segment_membership.PROJECTION)
    # An event that ends a membership may tell no name, and then the row keeps an older one.
    name_seen_at = func.max(table.c.entered_at)
    group = (table.c.project_id, table.c.segment_id, table.c.segment_name)
    members = func.sum(cast(table.c.is_member, Integer))
    statement = _grouped(table.c.project_id, project_id, group, members, name_seen_at)
    with translate_read_errors(table.name):
        return connection.execute(statement).all()


def count_tiers(connection: Connection, *, project_id: str | None) -> Sequence[Row[Any]]:
    """By project, campaign, tier and their names: members, and when the names were last told."""
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
    shown = [*group, members.label("members"), name_seen_at.label("name_seen_at")]
    statement = select(*shown).group_by(*group).order_by(*group)
    return statement if project_id is None else statement.where(project == project_id)


def _is_member(group: Group, as_of: datetime | None) -> ColumnElement[bool]:
    """Whether a row is a member's, now or at an instant."""
    if as_of is None:
        return (
            true()
            if group.member_flag is None
            else table_of(group.now).c[group.member_flag] == true()
        )
    table = table_of(group.history)
    begun = table.c.valid_from <= as_of
    return and_(begun, or_(table.c.valid_to.is_(None), table.c.valid_to > as_of))
