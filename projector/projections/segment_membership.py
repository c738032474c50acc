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
from projector.facts.observations import CustomerAbsent, SegmentsObserved
from projector.projections.observing import is_in_flight
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
    #: When the source was last asked whether the customer is a member; null if never.
    observed_at: datetime | None = None
    #: The number of gaps that were known then. Those above it are open.
    settled: int = 0
    #: When the source was asked if its answer set the membership, or its end; null if an event did.
    seen_at: datetime | None = None
    #: Whether that answer proves no lost delivery, because none was to be expected.
    silent: bool = False


#: Memberships by segment id.
State = Mapping[str, Row]
Fact = TypeVar("Fact", SegmentEntered, SegmentLeft)


def entered(row: Row | None, fact: SegmentEntered, key: CanonicalKey) -> Row:
    """Begin a membership; of a present member's only the name may change.

    Activating a distribution announces the present members again. The entry that an observation saw
    before it arrived is no lost one.
    """
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, True, key.occurred_at, None, False, 0, key.event_id)
    name, instant = _name(segment, row), key.occurred_at
    if row.is_member:
        if row.entered_at is not None or not is_in_flight(row.seen_at, instant):
            return _renamed(row, segment, key)
        found = 0 if row.silent else 1
        gaps, settled = row.gaps - found, row.settled - found
    else:
        gaps, settled = row.gaps, row.settled
    by = key.event_id
    return Row(segment.id, name, True, instant, None, False, gaps, by, row.observed_at, settled)


def left(row: Row | None, fact: SegmentLeft, key: CanonicalKey) -> Row:
    """End a membership; without one, the entry was lost: count a gap.

    After the deletion of the customer, it only accompanies that end. The leave that an observation
    saw before it arrived is no lost one.
    """
    segment = fact.segment
    if row is None:
        return Row(segment.id, segment.name, False, None, key.occurred_at, False, 1, key.event_id)
    if row.ended_by_deletion:
        return _renamed(row, segment, key)
    name = _name(segment, row)
    if row.is_member or _is_end_in_flight(row, key.occurred_at):
        return _end(row, name, key, by_deletion=False)
    gaps, at, by = row.gaps + 1, row.observed_at, key.event_id
    return Row(segment.id, name, False, None, key.occurred_at, False, gaps, by, at, row.settled)


def deleted(state: State, _fact: CustomerDeleted, key: CanonicalKey) -> State:
    """End all present memberships.

    One that a `left` ended at the same instant counts as ended by the deletion, too, so that the
    order of their ids makes no difference.
    """
    instant = key.occurred_at
    return {
        segment_id: _end(row, row.segment_name, key, by_deletion=True)
        if row.is_member or _ended_at(row, instant) or _is_end_in_flight(row, instant)
        else row
        for segment_id, row in state.items()
    }


def observed(state: State, fact: SegmentsObserved, key: CanonicalKey) -> State:
    """Compare the memberships with those that the source has; its answer holds.

    Where it differs a delivery was lost, unless the segment is silent.
    """
    seen = {each.id: each for each in fact.segments}
    rows = dict(state)
    looked_at = state if fact.scope is None else sorted(fact.scope)
    for segment_id in (*looked_at, *seen):
        row, silent = state.get(segment_id), segment_id in fact.silent
        if segment_id in seen:
            rows[segment_id] = _seen_in(row, seen[segment_id], key, silent=silent)
        elif row is not None:
            rows[segment_id] = _seen_out(row, key, silent=silent)
    return rows


def absent(state: State, _fact: CustomerAbsent, key: CanonicalKey) -> State:
    """End all present memberships of a customer whom the source does not know; count no gap."""
    return {segment_id: _seen_out(row, key, silent=True) for segment_id, row in state.items()}


def _seen_in(row: Row | None, segment: Segment, key: CanonicalKey, *, silent: bool) -> Row:
    if row is not None and row.is_member:
        return _looked_at(_renamed(row, segment, key), key)
    name, gaps = (segment.name, 0) if row is None else (_name(segment, row), row.gaps)
    gaps, instant, by = gaps + (not silent), key.occurred_at, key.event_id
    return Row(segment.id, name, True, None, None, False, gaps, by, instant, gaps, instant, silent)


def _seen_out(row: Row, key: CanonicalKey, *, silent: bool) -> Row:
    if not row.is_member:
        return _looked_at(row, key)
    return replace(
        _looked_at(row, key, gaps=row.gaps + (not silent)),
        is_member=False,
        left_at=None,
        changed_by=key.event_id,
        seen_at=key.occurred_at,
        silent=silent,
    )


def _looked_at(row: Row, key: CanonicalKey, gaps: int | None = None) -> Row:
    """Return the row after a look at it, which settles its gaps."""
    gaps = row.gaps if gaps is None else gaps
    return replace(row, observed_at=key.occurred_at, gaps=gaps, settled=gaps)


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


def _is_end_in_flight(row: Row, instant: datetime) -> bool:
    """Return whether an event at an instant may be the end that an observation saw."""
    return not row.is_member and row.left_at is None and is_in_flight(row.seen_at, instant)


def _end(row: Row, name: str | None, key: CanonicalKey, *, by_deletion: bool) -> Row:
    """End a membership; if an observation saw the end already, it is no lost one."""
    found = 0 if row.is_member or row.seen_at is None or row.silent else 1
    return Row(
        row.segment_id,
        name,
        False,
        row.entered_at,
        key.occurred_at,
        by_deletion,
        row.gaps - found,
        key.event_id,
        row.observed_at,
        row.settled - found,
    )


def to_rows(state: State) -> list[Row]:
    """Return one row per segment that the customer is or was in."""
    return list(state.values())


def from_rows(rows: list[Row]) -> State:
    """Invert `to_rows`."""
    return {row.segment_id: row for row in rows}


PROJECTION: Projection[State, Row] = Projection(
    name="segment_membership",
    version=3,
    row=Row,
    key=("segment_id",),
    # For lists of a segment's members, in their sort order.
    indexes=(("segment_id", "is_member", "project_id", "customer_id"),),
    memberships=Memberships(
        group_id="segment_id",
        names=("segment_name",),
        since="entered_at",
        until="left_at",
        lasts="is_member",
        seen="seen_at",
    ),
    initial={},
    evolvers={
        SegmentEntered: partial(_in_segment, entered),
        SegmentLeft: partial(_in_segment, left),
        CustomerDeleted: deleted,
        SegmentsObserved: observed,
        CustomerAbsent: absent,
    },
    to_rows=to_rows,
    from_rows=from_rows,
)
