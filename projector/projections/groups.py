"""Segments and tiers: the two kinds of group that customers are members of. PURE.

One value per kind holds the facts that the tables, the queries and the reasons need to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Any

from attrs import frozen

from projector.facts.events import (
    CustomerDeleted,
    CustomerFact,
    SegmentEntered,
    SegmentLeft,
    TierFact,
    TierMove,
)
from projector.projections import (
    loyalty_tier,
    loyalty_tier_history,
    segment_membership,
    segment_membership_history,
)
from projector.projections.projection import Projection, Row


class GroupKind(StrEnum):
    """The kind of a group."""

    SEGMENT = "segment"
    TIER = "tier"


@frozen(kw_only=True, eq=False)
class Group:
    """A kind of group: which tables and columns hold its members, and which facts name it."""

    kind: GroupKind
    #: The projections of the present members, and of all who ever were.
    now: Projection
    history: Projection
    #: The columns of the group's id and name, in both tables.
    id: str
    name: str
    #: The columns of the instant since when a customer is a member, now and in the history.
    since: str
    since_then: str
    #: The column of `now` that must be true, if not every row with the id is a member's.
    member_flag: str | None
    #: The columns that identify a member's row; members are listed in their order.
    member_key: tuple[str, ...]
    #: What identifies one of a customer's rows in `now`, as a word and as a column.
    row_name: str
    row_id: str
    #: The row's id that a fact names; None where the fact concerns every row of the customer.
    #: Raises ValueError where the fact names none.
    row_of: Callable[[Any], str | None]
    #: The ids of the groups that a fact names.
    ids_in: Callable[[CustomerFact], Iterator[str]]

    def holds(self, row: Row | None, group_id: str) -> bool:
        """Whether a row of `now` makes its customer a member of a group."""
        if row is None or getattr(row, self.id) != group_id:
            return False
        return self.member_flag is None or bool(getattr(row, self.member_flag))


def _segment_of(fact: SegmentEntered | SegmentLeft | CustomerDeleted) -> str | None:
    return None if isinstance(fact, CustomerDeleted) else fact.segment.id


def _campaign_of(fact: TierFact | TierMove | CustomerDeleted) -> str | None:
    return None if isinstance(fact, CustomerDeleted) else fact.campaign_id


def _segments_in(fact: CustomerFact) -> Iterator[str]:
    if isinstance(fact, SegmentEntered | SegmentLeft):
        yield fact.segment.id


def _tiers_in(fact: CustomerFact) -> Iterator[str]:
    if isinstance(fact, TierFact):
        yield fact.loyalty_tier.id
    elif isinstance(fact, TierMove):
        yield fact.loyalty_tier_to.id
        if fact.loyalty_tier_from is not None:
            yield fact.loyalty_tier_from.id


SEGMENT = Group(
    kind=GroupKind.SEGMENT,
    now=segment_membership.PROJECTION,
    history=segment_membership_history.PROJECTION,
    id="segment_id",
    name="segment_name",
    since="entered_at",
    since_then="valid_from",
    member_flag="is_member",
    member_key=("project_id", "customer_id"),
    row_name="segment",
    row_id="segment_id",
    row_of=_segment_of,
    ids_in=_segments_in,
)
TIER = Group(
    kind=GroupKind.TIER,
    now=loyalty_tier.PROJECTION,
    history=loyalty_tier_history.PROJECTION,
    id="tier_id",
    name="tier_name",
    since="joined_at",
    since_then="joined_at",
    member_flag=None,
    member_key=("project_id", "customer_id", "campaign_id"),
    row_name="campaign",
    row_id="campaign_id",
    row_of=_campaign_of,
    ids_in=_tiers_in,
)

#: By kind.
GROUPS: dict[GroupKind, Group] = {each.kind: each for each in (SEGMENT, TIER)}


def group_of(projection: Projection) -> Group | None:
    """The kind of group whose present members a projection holds; None for other projections."""
    return next((each for each in GROUPS.values() if each.now.name == projection.name), None)
