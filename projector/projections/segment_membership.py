"""segment_membership: which segments a customer is in, one row a segment. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from msgspec import Struct

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerDeleted, Segment, SegmentEntered, SegmentLeft
from projector.projections.projection import Identifier, Projection


class Row(Struct, frozen=True):
    """A customer's membership of one segment, the present one or the last."""

    segment_id: Identifier
    segment_name: str | None
    is_member: bool
    entered_at: datetime | None
    left_at: datetime | None
    #: How many deliveries are proven to be lost.
    gaps: int
    #: The id of the event that last changed the row.
    changed_by: Identifier


#: Memberships by segment id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", SegmentEntered, SegmentLeft)


def entered(row: Row | None, fact: SegmentEntered, key: CanonicalKey) -> Row:
    """Who is a member stays as is: activating a distribution announces the members again."""
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, True, key.occurred_at, None, 0, key.event_id)
    if row.is_member:
        return row
    name = _name(segment, row)
    return Row(segment.id, name, True, key.occurred_at, None, row.gaps, key.event_id)


def left(row: Row | None, fact: SegmentLeft, key: CanonicalKey) -> Row:
    """Who leaves without being a member proves that the entry was lost."""
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, False, None, key.occurred_at, 1, key.event_id)
    entered_at, gaps = (row.entered_at, row.gaps) if row.is_member else (None, row.gaps + 1)
    name = _name(segment, row)
    return Row(segment.id, name, False, entered_at, key.occurred_at, gaps, key.event_id)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every membership that holds ends with the customer."""
    return {
        segment_id: _end(row, key) if row.is_member else row for segment_id, row in state.items()
    }


def _in_segment(
    change: Callable[[Row | None, Fact, CanonicalKey], Row],
    state: State,
    fact: Fact,
    key: CanonicalKey,
) -> State:
    """The state after a fact that changes the row of its segment."""
    segment_id = fact.segment.id
    row = state.get(segment_id)
    now = change(row, fact, key)
    return state if now is row else {**state, segment_id: now}


def _name(segment: Segment, row: Row) -> str | None:
    """The name that an event tells, else the one that was known."""
    return row.segment_name if segment.name is None else segment.name


def _end(row: Row, key: CanonicalKey) -> Row:
    return Row(
        row.segment_id,
        row.segment_name,
        False,
        row.entered_at,
        key.occurred_at,
        row.gaps,
        key.event_id,
    )


def to_rows(state: State) -> list[Row]:
    """One row a segment that the customer is or was in."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """The inverse of to_rows."""
    return {row.segment_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="segment_membership",
    version=1,
    row=Row,
    key=("segment_id",),
    # A segment's members, in the order in which they are listed.
    indexes=(("segment_id", "is_member", "project_id", "customer_id"),),
    initial={},
    evolvers={
        SegmentEntered: partial(_in_segment, entered),
        SegmentLeft: partial(_in_segment, left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
