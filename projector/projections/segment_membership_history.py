"""Projects `segment_membership_history`: one row per period of a customer in a segment. PURE.

It runs the fold of `segment_membership`, and keeps the memberships which that one overwrites.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerDeleted, SegmentEntered, SegmentLeft
from projector.facts.observations import CustomerAbsent, SegmentsObserved
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
    #: The beginning, that of the entry or of the first look that saw the membership; null if the
    #: delivery of the entry was lost.
    valid_from: datetime | None
    #: The end, that of the leave or of the first look that saw it; null while the period lasts.
    valid_to: datetime | None
    #: The ids of the events at the beginning and at the end; null if the instant is.
    opened_by: Identifier | None
    closed_by: Identifier | None
    #: Whether the deletion of the customer ended the period, or came at the same instant.
    ended_by_deletion: bool
    #: The instants of the entry and of the leave; null if only a look at the source shows them.
    entered_at: datetime | None = None
    left_at: datetime | None = None


#: Periods by segment id.
State = Mapping[str, Periods[Row]]


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


def _apply_to_all(
    change: Callable[[segment_membership.State, Any, CanonicalKey], segment_membership.State],
    state: State,
    fact: CustomerDeleted | SegmentsObserved | CustomerAbsent,
    key: CanonicalKey,
) -> State:
    """Apply an evolver of all of a customer's memberships, and record the changes."""
    before = {segment_id: _membership(periods.last) for segment_id, periods in state.items()}
    periods: dict[str, Periods[Row]] = dict(state)
    for segment_id, after in change(before, fact, key).items():
        if after is not before.get(segment_id):
            periods[segment_id] = _record(state.get(segment_id), before.get(segment_id), after)
    return periods


def _membership(last: Row) -> Membership:
    """Reconstruct the membership after a period, as far as the next change depends on it."""
    is_member = last.valid_to is None
    if is_member:
        seen_at = last.valid_from if last.entered_at is None else None
    else:
        seen_at = last.valid_to if last.left_at is None else None
    return Membership(
        last.segment_id,
        last.segment_name,
        is_member,
        last.entered_at,
        last.left_at,
        last.ended_by_deletion,
        0,
        "",
        None,
        0,
        seen_at,
    )


def _record(
    periods: Periods[Row] | None, before: Membership | None, after: Membership
) -> Periods[Row]:
    """Return the periods after a change of the membership.

    A new member begins a period; a lost entry adds one with an unknown beginning. Any other change
    is one of the last period: its beginning or its end, or its name.
    """
    if periods is None or before is None:
        return Periods(_new_period(1, after), None)
    last = periods.last
    if not before.is_member and (after.is_member or after.gaps > before.gaps):
        return Periods(_new_period(last.period + 1, after), periods)
    valid_from, valid_to = last.valid_from, last.valid_to
    opened_by, closed_by = last.opened_by, last.closed_by
    if after.entered_at != before.entered_at:
        valid_from, opened_by = after.entered_at, after.changed_by
    if not after.is_member and (before.is_member or after.left_at != before.left_at):
        valid_to, closed_by = after.left_at or after.seen_at, after.changed_by
    row = Row(
        last.segment_id,
        last.period,
        after.segment_name,
        valid_from,
        valid_to,
        opened_by,
        closed_by,
        after.ended_by_deletion,
        after.entered_at,
        after.left_at,
    )
    return Periods(row, periods.earlier)


def _new_period(number: int, after: Membership) -> Row:
    """Create the period of a new member, or of one whose entry was lost and who left."""
    return Row(
        after.segment_id,
        number,
        after.segment_name,
        after.entered_at or after.seen_at,
        after.left_at,
        after.changed_by if after.is_member else None,
        None if after.is_member else after.changed_by,
        after.ended_by_deletion,
        after.entered_at,
        after.left_at,
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
        CustomerDeleted: partial(_apply_to_all, segment_membership.deleted),
        SegmentsObserved: partial(_apply_to_all, segment_membership.observed),
        CustomerAbsent: partial(_apply_to_all, segment_membership.absent),
    },
    to_rows=to_rows,
    from_rows=partial(from_rows, series=attrgetter("segment_id")),
)
