"""Who is in a segment or on a tier, page by page, and which segments and tiers there are.

A page begins after the key where the last one ended, so that it costs the same at any depth, and
rows that come or go meanwhile move nobody else to another page.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from attrs import frozen
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

from projector.projections import (
    customer,
    loyalty_tier,
    loyalty_tier_history,
    segment_membership,
    segment_membership_history,
)
from projector.projections.projection import Projection
from projector.store.predicates import after_key, is_storable_text, same_customer
from projector.store.read_errors import translate_read_errors
from projector.store.tables import table_of


@frozen(kw_only=True)
class Group:
    """What customers are grouped by: which tables and columns tell who is in a group."""

    #: The projections of those who are in it now, and of those who ever were.
    now: Projection
    history: Projection
    #: The column of the group's id.
    id: str
    #: The columns of the instant since when, now and in the history.
    since: str
    since_then: str
    #: The column that must be true, if not every row with the id is a member.
    holds: str | None = None
    #: The order of the members: what tells their rows apart.
    place: tuple[str, ...]


SEGMENT = Group(
    now=segment_membership.PROJECTION,
    history=segment_membership_history.PROJECTION,
    id="segment_id",
    since="entered_at",
    since_then="valid_from",
    holds="is_member",
    place=("project_id", "customer_id"),
)
TIER = Group(
    now=loyalty_tier.PROJECTION,
    history=loyalty_tier_history.PROJECTION,
    id="tier_id",
    since="joined_at",
    since_then="joined_at",
    place=("project_id", "customer_id", "campaign_id"),
)


def page(
    connection: Connection,
    grouping: Group,
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
    table = table_of(grouping.now if as_of is None else grouping.history)
    place = [table.c[name] for name in grouping.place]
    since = table.c[grouping.since if as_of is None else grouping.since_then].label("since")
    statement: Select[Any] = (
        select(*place, since, _customer_column("source_id", table), _customer_column("name", table))
        .where(table.c[grouping.id] == group_id, _is_member(grouping, as_of))
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


def is_known(connection: Connection, grouping: Group, group_id: str) -> bool:
    """Whether any customer is or ever was in a group, as far as the events told."""
    return any(
        connection.execute(
            select(literal(1))
            .where(table_of(name).c[grouping.id] == group_id)
            # The next column of the index. Of many rows with the id, as it may think that there are
            # whatever the id is, Postgres would rather look for one in the table.
            .order_by(table_of(name).c[column])
            .limit(1)
        ).first()
        for name, column in (
            (grouping.now, grouping.holds or "project_id"),
            (grouping.history, "project_id"),
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


def _is_member(grouping: Group, as_of: datetime | None) -> ColumnElement[bool]:
    """Whether a row is a member's, now or at an instant."""
    if as_of is None:
        return (
            true() if grouping.holds is None else table_of(grouping.now).c[grouping.holds] == true()
        )
    table = table_of(grouping.history)
    begun = table.c.valid_from <= as_of
    return and_(begun, or_(table.c.valid_to.is_(None), table.c.valid_to > as_of))
