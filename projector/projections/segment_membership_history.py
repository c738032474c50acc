"""segment_membership_history: from when to when a customer was in a segment, one row a stint.

What the fold of segment_membership says, kept instead of overwritten. PURE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import attrgetter

from attrs import frozen

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerDeleted, SegmentEntered, SegmentLeft
from projector.projections import segment_membership
from projector.projections.periods import Stints, from_rows, to_rows
from projector.projections.projection import Projection
from projector.projections.quick import quick
from projector.projections.segment_membership import Fact

Membership = segment_membership.Row


@quick
@frozen
class Row:
    """A stint of a customer in a segment: a member from `valid_from` until before `valid_to`."""

    segment_id: str
    #: 1, 2, 3 … in canonical order, for each customer and segment.
    stint: int
    segment_name: str | None
    #: Null where the entry was lost.
    valid_from: datetime | None
    #: Null while it lasts.
    valid_to: datetime | None
    #: The ids of the events; null where the instant is.
    opened_by: str | None
    closed_by: str | None


#: Stints by segment id.
State = Mapping[str, Stints[Row]]


def deleted(state: State, fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every stint that lasts ends with the customer."""
    before = {segment_id: _membership(stints.last) for segment_id, stints in state.items()}
    after = segment_membership.deleted(before, fact, key)
    return {
        segment_id: stints
        if after[segment_id] is before[segment_id]
        else _noted(stints, after[segment_id])
        for segment_id, stints in state.items()
    }


def _follow(
    change: Callable[[Membership | None, Fact, CanonicalKey], Membership],
    state: State,
    fact: Fact,
    key: CanonicalKey,
) -> State:
    """Ask the fold of the memberships, and note what it changes."""
    segment_id = fact.segment.id
    stints = state.get(segment_id)
    before = None if stints is None else _membership(stints.last)
    now = change(before, fact, key)
    return state if now is before else {**state, segment_id: _noted(stints, now)}


def _membership(last: Row) -> Membership:
    """What the fold knows after a stint, as far as it decides what comes next."""
    is_member = last.valid_to is None
    return Membership(last.segment_id, last.segment_name, is_member, last.valid_from, None, 0, "")


def _noted(stints: Stints[Row] | None, now: Membership) -> Stints[Row]:
    """The stints after the membership became what it is now.

    Who becomes a member begins a stint, and who is none any more ends it; where there is none,
    it is one of unknown beginning.
    """
    closed_by = None if now.is_member else now.changed_by
    if stints is not None and stints.last.valid_to is None:
        stint, opened_by, earlier = stints.last.stint, stints.last.opened_by, stints.earlier
    else:
        stint, earlier = 1 if stints is None else stints.last.stint + 1, stints
        opened_by = now.changed_by if now.is_member else None
    row = Row(
        now.segment_id,
        stint,
        now.segment_name,
        now.entered_at,
        now.left_at,
        opened_by,
        closed_by,
    )
    return Stints(row, earlier)


PROJECTION = Projection(
    name="segment_membership_history",
    # Memberships of another meaning make other stints.
    version=segment_membership.PROJECTION.version,
    row=Row,
    key=("segment_id", "stint"),
    appends=True,
    # Who was ever in a segment.
    lookups=(("segment_id", "project_id", "customer_id"),),
    initial={},
    evolvers={
        SegmentEntered: partial(_follow, segment_membership.entered),
        SegmentLeft: partial(_follow, segment_membership.left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, place=attrgetter("segment_id")),
)
