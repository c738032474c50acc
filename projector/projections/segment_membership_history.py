"""segment_membership_history: from when to when a customer was in a segment, one row a period.

What the fold of segment_membership says, kept instead of overwritten. PURE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import attrgetter

from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerDeleted, SegmentEntered, SegmentLeft
from projector.projections import segment_membership
from projector.projections.periods import Periods, from_rows, to_rows
from projector.projections.projection import Identifier, Projection
from projector.projections.segment_membership import Fact

Membership = segment_membership.Row


class Row(Struct, frozen=True):
    """A period of a customer in a segment: a member from `valid_from` until before `valid_to`."""

    segment_id: Identifier
    #: 1, 2, 3 … in canonical order, for each customer and segment.
    period: int
    segment_name: str | None
    #: Null where the entry was lost.
    valid_from: datetime | None
    #: Null while it lasts.
    valid_to: datetime | None
    #: The ids of the events; null where the instant is.
    opened_by: Identifier | None
    closed_by: Identifier | None


#: Periods by segment id.
State = Mapping[str, Periods[Row]]


def deleted(state: State, fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every period that lasts ends with the customer."""
    before = {segment_id: _membership(periods.last) for segment_id, periods in state.items()}
    after = segment_membership.deleted(before, fact, key)
    return {
        segment_id: periods
        if after[segment_id] is before[segment_id]
        else _record(periods, after[segment_id])
        for segment_id, periods in state.items()
    }


def _apply(
    change: Callable[[Membership | None, Fact, CanonicalKey], Membership],
    state: State,
    fact: Fact,
    key: CanonicalKey,
) -> State:
    """Ask the fold of the memberships, and note what it changes."""
    segment_id = fact.segment.id
    periods = state.get(segment_id)
    before = None if periods is None else _membership(periods.last)
    now = change(before, fact, key)
    return state if now is before else {**state, segment_id: _record(periods, now)}


def _membership(last: Row) -> Membership:
    """What the fold knows after a period, as far as it decides what comes next."""
    is_member = last.valid_to is None
    return Membership(last.segment_id, last.segment_name, is_member, last.valid_from, None, 0, "")


def _record(periods: Periods[Row] | None, now: Membership) -> Periods[Row]:
    """The periods after the membership became what it is now.

    Who becomes a member begins a period, and who is none any more ends it; where there is none,
    it is one of unknown beginning.
    """
    closed_by = None if now.is_member else now.changed_by
    if periods is not None and periods.last.valid_to is None:
        period, opened_by, earlier = periods.last.period, periods.last.opened_by, periods.earlier
    else:
        period, earlier = 1 if periods is None else periods.last.period + 1, periods
        opened_by = now.changed_by if now.is_member else None
    row = Row(
        now.segment_id,
        period,
        now.segment_name,
        now.entered_at,
        now.left_at,
        opened_by,
        closed_by,
    )
    return Periods(row, earlier)


PROJECTION: Projection[State, Row] = Projection(
    name="segment_membership_history",
    # Memberships of another meaning make other periods.
    version=segment_membership.PROJECTION.version,
    row=Row,
    key=("segment_id", "period"),
    is_history=True,
    # Who was ever in a segment.
    indexes=(("segment_id", "project_id", "customer_id"),),
    initial={},
    evolvers={
        SegmentEntered: partial(_apply, segment_membership.entered),
        SegmentLeft: partial(_apply, segment_membership.left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, place=attrgetter("segment_id")),
)
