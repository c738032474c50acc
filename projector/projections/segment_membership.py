"""segment_membership: which segments a customer is in, one row a segment. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import frozen

from projector.envelope import CanonicalKey
from projector.events import CustomerDeleted, Segment, SegmentEntered, SegmentLeft
from projector.fold import Projection
from projector.quick import quick


@quick
@frozen
class Row:
    """A customer's membership of one segment, the present one or the last."""

    segment_id: str
    segment_name: str | None
    is_member: bool
    entered_at: datetime | None
    left_at: datetime | None
    #: How many deliveries are proven to be lost.
    gaps: int
    #: The id of the event that last changed the row.
    changed_by: str


#: Memberships by segment id.
State = Mapping[str, Row]


def entered(state: State, fact: SegmentEntered, key: CanonicalKey) -> State:
    """Who is a member stays as is: activating a distribution announces the members again."""
    segment = fact.segment
    row = state.get(segment.id)
    if row is not None and row.is_member:
        return state
    name = _name(segment, row)
    gaps = row.gaps if row is not None else 0
    return {
        **state,
        segment.id: Row(segment.id, name, True, key.occurred_at, None, gaps, key.event_id),
    }


def left(state: State, fact: SegmentLeft, key: CanonicalKey) -> State:
    """Who leaves without being a member proves that the entry was lost."""
    segment = fact.segment
    row = state.get(segment.id)
    name = _name(segment, row)
    entered_at, gaps = (row.entered_at, row.gaps) if row is not None else (None, 0)
    if row is None or not row.is_member:
        entered_at, gaps = None, gaps + 1
    return {
        **state,
        segment.id: Row(segment.id, name, False, entered_at, key.occurred_at, gaps, key.event_id),
    }


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """Every membership that holds ends with the customer."""
    return {
        segment_id: _ended(row, key) if row.is_member else row for segment_id, row in state.items()
    }


def _name(segment: Segment, row: Row | None) -> str | None:
    """The name that an event tells, else the one that was known."""
    return row.segment_name if segment.name is None and row is not None else segment.name


def _ended(row: Row, key: CanonicalKey) -> Row:
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


PROJECTION = Projection(
    name="segment_membership",
    version=1,
    row=Row,
    key=("segment_id",),
    # A segment's members, in the order in which they are listed.
    lookups=(("segment_id", "is_member", "project_id", "customer_id"),),
    initial={},
    evolvers={SegmentEntered: entered, SegmentLeft: left, CustomerDeleted: deleted},
    to_rows=to_rows,
    from_rows=from_rows,
)
