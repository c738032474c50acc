"""Projects `segment_membership`: a customer's segments, one row per segment. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from projector.envelope import CanonicalKey
from projector.facts.events import CustomerDeleted, Segment, SegmentEntered, SegmentLeft
from projector.projections.projection import Identifier, Memberships, Projection


class Row(Struct, frozen=True):
    """A customer's present or last membership of one segment."""

    segment_id: Identifier
    segment_name: str | None
    is_member: bool
    entered_at: datetime | None
    left_at: datetime | None
    #: Whether the deletion of the customer ended the membership, or came at the same instant.
    ended_by_deletion: bool
    #: The number of deliveries that are proven to be lost.
    gaps: int
    #: The id of the event that last changed the row.
    changed_by: Identifier


#: Memberships by segment id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", SegmentEntered, SegmentLeft)


def entered(row: Row | None, fact: SegmentEntered, key: CanonicalKey) -> Row:
    """Begin a membership; of a present member's only the name may change.

    Activating a distribution announces the present members again.
    """
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, True, key.occurred_at, None, False, 0, key.event_id)
    if row.is_member:
        return _renamed(row, segment, key)
    name = _name(segment, row)
    return Row(segment.id, name, True, key.occurred_at, None, False, row.gaps, key.event_id)


def left(row: Row | None, fact: SegmentLeft, key: CanonicalKey) -> Row:
    """End a membership; without one, the entry was lost: count a gap.

    After the deletion of the customer, it only accompanies that end.
    """
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, False, None, key.occurred_at, False, 1, key.event_id)
    if row.ended_by_deletion:
        return _renamed(row, segment, key)
    entered_at, gaps = (row.entered_at, row.gaps) if row.is_member else (None, row.gaps + 1)
    name = _name(segment, row)
    return Row(segment.id, name, False, entered_at, key.occurred_at, False, gaps, key.event_id)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """End all present memberships.

    One that a `left` ended at the same instant counts as ended by the deletion, too, so that the
    order of their ids makes no difference.
    """
    return {
        segment_id: _end(row, key) if row.is_member or _ended_at(row, key.occurred_at) else row
        for segment_id, row in state.items()
    }


def _in_segment(
    change: Callable[[Row | None, Fact, CanonicalKey], Row],
    state: State,
    fact: Fact,
    key: CanonicalKey,
) -> State:
    """Apply a fact to the row of its segment."""
    segment_id = fact.segment.id
    row = state.get(segment_id)
    new_row = change(row, fact, key)
    return state if new_row is row else {**state, segment_id: new_row}


def _name(segment: Segment, row: Row) -> str | None:
    """Return the name that an event shows, or else the known one."""
    return row.segment_name if segment.name is None else segment.name


def _renamed(row: Row, segment: Segment, key: CanonicalKey) -> Row:
    """Return the row with the name that an event shows; the same object if it is the known one."""
    name = _name(segment, row)
    if name == row.segment_name:
        return row
    return replace(row, segment_name=name, changed_by=key.event_id)


def _ended_at(row: Row, instant: datetime) -> bool:
    """Return whether a `left` ended a membership at an instant; not one whose entry was lost."""
    was_member = not row.is_member and row.entered_at is not None
    return was_member and row.left_at == instant and not row.ended_by_deletion


def _end(row: Row, key: CanonicalKey) -> Row:
    return Row(
        row.segment_id,
        row.segment_name,
        False,
        row.entered_at,
        key.occurred_at,
        True,
        row.gaps,
        key.event_id,
    )


def to_rows(state: State) -> list[Row]:
    """Return one row per segment that the customer is or was in."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """Invert `to_rows`."""
    return {row.segment_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="segment_membership",
    version=2,
    row=Row,
    key=("segment_id",),
    # For lists of a segment's members, in their sort order.
    indexes=(("segment_id", "is_member", "project_id", "customer_id"),),
    memberships=Memberships(
        group_id="segment_id", names=("segment_name",), since="entered_at", until="left_at"
    ),
    initial={},
    evolvers={
        SegmentEntered: partial(_in_segment, entered),
        SegmentLeft: partial(_in_segment, left),
        CustomerDeleted: deleted,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
