"""Defines segments and tiers, the two kinds of group that customers are members of. PURE.

One value per kind has everything in which the two kinds differ for the tables, the queries and
`why`.
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
from projector.facts.observations import CustomerAbsent, SegmentsObserved, TierObserved
from projector.projections import (
    loyalty_tier,
    loyalty_tier_history,
    segment_membership,
    segment_membership_history,
)
from projector.projections.projection import Memberships, Projection, Row


class GroupKind(StrEnum):
    """The kind of a group."""

    SEGMENT = "segment"
    TIER = "tier"


@frozen(kw_only=True, eq=False)
class Group:
    """A kind of group, with the tables and columns of its members and the facts that name it."""

    kind: GroupKind
    #: The projections of the present members, and of all present and past members.
    now: Projection
    history: Projection
    #: The columns of the group's id and name, in both tables.
    id: str
    name: str
    #: The columns of the instant at which the membership began, in `now` and in `history`; null if
    #: it is unknown.
    since: str
    since_then: str
    #: The boolean column of `now` that marks members; None if every row with the group's id does.
    member_flag: str | None
    #: The function from the rows of `now` before and after a change to whether it begins a period
    #: in the group that held before, too; None if no change does.
    begins_period: Callable[[Row, Row], bool] | None
    #: The columns that identify a member's row, in the sort order of lists of members.
    member_key: tuple[str, ...]
    #: The thing that identifies one of a customer's rows in `now`: its name, and its column.
    row_name: str
    row_id: str
    #: The function from a fact to the id of the row that it changes; None if it changes all rows of
    #: the customer. Raises ValueError if the fact should name a row and does not.
    row_of: Callable[[Any], str | None]
    #: The function from a fact to the ids of the groups that it names.
    ids_in: Callable[[CustomerFact], Iterator[str]]

    @property
    def memberships(self) -> Memberships:
        """The memberships in the rows of `now`."""
        found = self.now.memberships
        if found is None:
            raise TypeError(f"{self.now.name} has no memberships")
        return found

    def begins(self, before: Row | None, after: Row | None, group_id: str) -> bool:
        """Return whether a change of a row of `now` begins a period in the group.

        The event at its beginning may come after an observation has seen the period: that counts.
        """
        if not self.holds(after, group_id):
            return False
        if not self.holds(before, group_id):
            return True
        if getattr(before, self.since) is None and getattr(after, self.since) is not None:
            return True
        return self.begins_period is not None and self.begins_period(before, after)

    def ends(self, before: Row | None, after: Row | None, group_id: str) -> bool:
        """Return whether a change of a row of `now` ends a period in the group.

        The event at its end may come after an observation has seen the end: that counts.
        """
        if before is None or after is None or self.holds(after, group_id):
            return False
        if self.holds(before, group_id):
            return True
        was_seen = before.seen_at is not None and before.left_at is None
        left = before.segment_id if self.kind is GroupKind.SEGMENT else before.previous_tier_id
        return was_seen and after.left_at is not None and left == group_id

    def holds(self, row: Row | None, group_id: str) -> bool:
        """Return whether a row of `now` makes its customer a member of the group."""
        if row is None or getattr(row, self.id) != group_id:
            return False
        return self.member_flag is None or bool(getattr(row, self.member_flag))


def _segment_of(fact: CustomerFact) -> str | None:
    return fact.segment.id if isinstance(fact, SegmentEntered | SegmentLeft) else None


def _campaign_of(
    fact: TierFact | TierMove | TierObserved | CustomerDeleted | CustomerAbsent,
) -> str | None:
    return None if isinstance(fact, CustomerDeleted | CustomerAbsent) else fact.campaign_id


def _segments_in(fact: CustomerFact) -> Iterator[str]:
    if isinstance(fact, SegmentEntered | SegmentLeft):
        yield fact.segment.id
    elif isinstance(fact, SegmentsObserved):
        for each in fact.segments:
            yield each.id


def _tiers_in(fact: CustomerFact) -> Iterator[str]:
    if isinstance(fact, TierFact):
        yield fact.loyalty_tier.id
    elif isinstance(fact, TierObserved):
        if fact.loyalty_tier is not None:
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
    since_then="entered_at",
    member_flag="is_member",
    begins_period=None,
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
    begins_period=loyalty_tier.begins_period,
    member_key=("project_id", "customer_id", "campaign_id"),
    row_name="campaign",
    row_id="campaign_id",
    row_of=_campaign_of,
    ids_in=_tiers_in,
)

#: The two groups by kind.
GROUPS: dict[GroupKind, Group] = {each.kind: each for each in (SEGMENT, TIER)}


def group_of(projection: Projection) -> Group | None:
    """Return the group whose present members a projection holds, or None."""
    return next((each for each in GROUPS.values() if each.now.name == projection.name), None)
