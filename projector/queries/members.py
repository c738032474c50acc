"""Members of segments and tiers, now or at an instant, and their numbers per segment and tier."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from types import GenericAlias
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import id_problem
from projector.errors import GroupNotFound, NotOne
from projector.projections.groups import SEGMENT, TIER, Group
from projector.store import group_sizes, members
from projector.store.database import Database
from projector.store.group_sizes import GroupTotal
from projector.store.predicates import is_storable_text
from projector.text import paging
from projector.text.instants import check_instant


@frozen(kw_only=True)
class Member:
    """A customer in a segment or on a tier."""

    project_id: str
    customer_id: str
    source_id: str | None
    name: str | None
    #: None if no event states since when the customer is on the tier.
    since: datetime | None


@frozen(kw_only=True)
class MemberPage:
    """A page of members, in the order of project and customer."""

    members: tuple[Member, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None


@frozen(kw_only=True)
class SegmentCount:
    """A segment and the number of its members."""

    project_id: str
    segment_id: str
    #: The name in the row of the customer who entered last.
    name: str | None
    members: int


@frozen(kw_only=True)
class TierCount:
    """A tier and the number of its members."""

    project_id: str
    campaign_id: str
    campaign_name: str | None
    tier_id: str
    #: The name in the row of the customer who joined last.
    name: str | None
    members: int


def find_members(
    database: Database,
    *,
    segment_id: str | None = None,
    tier_id: str | None = None,
    project_id: str | None = None,
    as_of: datetime | None = None,
    after: str | None = None,
    limit: int,
) -> MemberPage:
    """Return a page of the members of a segment or else of a tier, as the tables have them.

    Raises GroupNotFound for a group that no customer is or ever was in, BadCursor, BadNumber for a
    `limit` out of range, BadInstant for a naive datetime, and NotOne unless exactly one group is
    named.
    """
    group, group_id = _group(segment_id, tier_id)
    check_instant(as_of)
    paging.check_limit(limit)
    key_type: Any = GenericAlias(tuple, (str,) * len(group.member_key))
    after_key = paging.from_cursor(after, key_type)
    unknown = GroupNotFound(kind=group.kind, identifier=group_id)
    if id_problem(group_id):
        raise unknown
    with database.reading_tables() as connection:
        rows = members.page(
            connection,
            group,
            group_id,
            project_id=project_id,
            as_of=as_of,
            after=after_key,
            limit=limit + 1,
        )
        if not rows and not members.is_known(connection, group, group_id):
            raise unknown
    page = rows[:limit]
    return MemberPage(
        members=tuple(_member(row) for row in page),
        next=paging.to_cursor(page[-1][: len(group.member_key)]) if len(rows) > limit else None,
    )


def _member(row: Any) -> Member:
    return Member(
        project_id=row.project_id,
        customer_id=row.customer_id,
        source_id=row.source_id,
        name=row.name,
        since=row.since,
    )


def list_segments(database: Database, *, project_id: str | None = None) -> list[SegmentCount]:
    """List the segments that any event named, by project and id."""
    return [
        SegmentCount(
            project_id=each.project_id, segment_id=each.group_id, name=each.names[0], members=number
        )
        for each, number in _list(database, SEGMENT, project_id)
    ]


def list_tiers(database: Database, *, project_id: str | None = None) -> list[TierCount]:
    """List the tiers with at least one member, by project, campaign and id."""
    return [
        TierCount(
            project_id=each.project_id,
            campaign_id=each.campaign_id,
            campaign_name=each.names[0],
            tier_id=each.group_id,
            name=each.names[1],
            members=number,
        )
        for each, number in _list(database, TIER, project_id)
    ]


def _list(database: Database, group: Group, project_id: str | None) -> list[tuple[GroupTotal, int]]:
    """Return the total of each group by its newest names, and the number of its members."""
    if not is_storable_text(project_id):
        return []
    with database.reading_tables() as connection:
        totals = group_sizes.totals(connection, group.now, project_id=project_id)
        return [
            (_newest(connection, group, some), sum(each.entries - each.exits for each in some))
            for _, same in groupby(totals, key=lambda each: each[:3])
            for some in [list(same)]
        ]


def _newest(connection: Connection, group: Group, totals: Sequence[GroupTotal]) -> GroupTotal:
    """Choose among the totals of one group by different names that with the newest names.

    These are the names in the row of the membership that began last. Mostly the day says which it
    is. If two of the names were new on one day, the rows of the group are looked through.
    """
    last_day = max(each.last_day for each in totals)
    newest = [each for each in totals if each.last_day == last_day]
    if len(newest) == 1:
        return newest[0]

    def recency(row: Any) -> Any:
        # Names of the same instant are compared too, or the database's row order would decide.
        *names, seen_at = row
        return seen_at is not None, seen_at, [(name is not None, name) for name in names]

    rows = members.newest_names(connection, group, newest[0])
    names: tuple[Any, ...] = tuple(max(rows, key=recency)[:-1])
    return next(each for each in newest if each.names == names)


def _group(segment_id: str | None, tier_id: str | None) -> tuple[Group, str]:
    if segment_id is not None and tier_id is None:
        return SEGMENT, segment_id
    if tier_id is not None and segment_id is None:
        return TIER, tier_id
    raise NotOne(options="--segment or --tier")
