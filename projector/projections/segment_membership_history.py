"""Projects `segment_membership_history`: one row per period of a customer in a segment. PURE.

It runs the fold of `segment_membership`, and keeps the memberships which that one overwrites.
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
from projector.projections.projection import Identifier, Memberships, Projection
from projector.projections.segment_membership import Fact

Membership = segment_membership.Row


class Row(Struct, frozen=True):
    """A period of a customer in a segment: a member from `valid_from` until before `valid_to`."""

    segment_id: Identifier
    #: 1, 2, 3 … in canonical order, for each customer and segment.
    period: int
    segment_name: str | None
    #: The beginning; null if the delivery of the entry was lost.
    valid_from: datetime | None
    #: The end; null while the period lasts.
    valid_to: datetime | None
    #: The ids of the events at the beginning and at the end; null if the instant is.
    opened_by: Identifier | None
    closed_by: Identifier | None
    #: Whether the deletion of the customer ended the period, or came at the same instant.
    ended_by_deletion: bool


#: Periods by segment id.
State = Mapping[str, Periods[Row]]


def deleted(state: State, fact: CustomerDeleted, key: CanonicalKey) -> State:
    """End all periods that last."""
    before = {segment_id: _membership(periods.last) for segment_id, periods in state.items()}
    after = segment_membership.deleted(before, fact, key)
    return {
        segment_id: periods
        if after[segment_id] is before[segment_id]
        else _record(periods, before[segment_id], after[segment_id])
        for segment_id, periods in state.items()
    }


def _apply(
    change: Callable[[Membership | None, Fact, CanonicalKey], Membership],
    state: State,
    fact: Fact,
    key: CanonicalKey,
) -> State:
    """Apply an evolver of `segment_membership`, and record the change that it makes."""
    segment_id = fact.segment.id
    periods = state.get(segment_id)
    before = None if periods is None else _membership(periods.last)
    after = change(before, fact, key)
    if after is before:
        return state
    return {**state, segment_id: _record(periods, before, after)}


def _membership(last: Row) -> Membership:
    """Reconstruct the membership after a period, as far as the next change depends on it."""
    return Membership(
        last.segment_id,
        last.segment_name,
        last.valid_to is None,
        last.valid_from,
        last.valid_to,
        last.ended_by_deletion,
        0,
        "",
    )


def _record(
    periods: Periods[Row] | None, before: Membership | None, after: Membership
) -> Periods[Row]:
    """Return the periods after a change of the membership.

    A new member begins a period; a lost entry adds one with an unknown beginning. Any other change
    is one of the last period: its end, or its name.
    """
    if periods is None or before is None:
        return Periods(_new_period(1, after), None)
    last = periods.last
    is_new = after.gaps > before.gaps or (after.is_member and not before.is_member)
    if is_new:
        return Periods(_new_period(last.period + 1, after), periods)
    ends_now = before.is_member and not after.is_member
    row = Row(
        last.segment_id,
        last.period,
        after.segment_name,
        last.valid_from,
        after.left_at,
        last.opened_by,
        after.changed_by if ends_now else last.closed_by,
        after.ended_by_deletion,
    )
    return Periods(row, periods.earlier)


def _new_period(number: int, after: Membership) -> Row:
    """Create the period of a new member, or of one whose entry was lost and who left."""
    return Row(
        after.segment_id,
        number,
        after.segment_name,
        after.entered_at,
        after.left_at,
        after.changed_by if after.is_member else None,
        None if after.is_member else after.changed_by,
        after.ended_by_deletion,
    )


PROJECTION: Projection[State, Row] = Projection(
    name="segment_membership_history",
    # The same version, because periods change their meaning together with memberships.
    version=segment_membership.PROJECTION.version,
    row=Row,
    key=("segment_id", "period"),
    is_history=True,
    # For lists of a segment's present and past members.
    indexes=(("segment_id", "project_id", "customer_id"),),
    memberships=Memberships(group_id="segment_id", since="valid_from", until="valid_to"),
    initial={},
    evolvers={
        SegmentEntered: partial(_apply, segment_membership.entered),
        SegmentLeft: partial(_apply, segment_membership.left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, series=attrgetter("segment_id")),
)
