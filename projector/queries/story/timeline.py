"""Tells a customer's story: periods, events with their effects, and what is known to be missing.

A stream of up to WHOLE_MAX events is folded from its beginning. Of a longer one only a page of
events is folded, from the nearest snapshots: see `window`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from attrs import evolve
from msgspec.structs import asdict
from sqlalchemy import Connection

from projector.envelope import KEY_MAX, CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.observations import OBSERVATIONS
from projector.projections import customer as profile
from projector.projections.groups import SEGMENT, TIER
from projector.queries import customers
from projector.queries.customer_state import PROJECTIONS
from projector.queries.customers import PointInTime
from projector.queries.story import periods, window
from projector.queries.story.events import INITIAL, Loss, StoryEvent, Told, tell
from projector.queries.story.results import SegmentPeriod, SkippedEvent, TierPeriod, Timeline
from projector.store import checkpoints, dead_letters, duplicates, log, table_rows
from projector.store import customers as streams
from projector.store.database import Database
from projector.text import paging

#: The maximum number of events of a stream that is folded from its beginning.
WHOLE_MAX = 10_000

#: The maximum number of dead letters, and of losses, in an answer.
LISTED_MAX = 1_000


def find_timeline(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    at_position: int | None = None,
    after: str | None = None,
    limit: int,
) -> Timeline:
    """Return a customer's periods and losses, and a page of the events, the newest first.

    Raises CustomerNotFound, CustomerAmbiguous, PositionUnknown, BadCursor and BadNumber.
    """
    paging.check_limit(limit)
    cursor = paging.from_cursor(after, tuple[paging.Instant, str])
    before = KEY_MAX if cursor is None else CanonicalKey(*cursor)
    moment = PointInTime(at_position=at_position)
    with database.reading_tables() as connection:
        key = customers.find_key(connection, identifier, project_id, False, moment)
        if not moment.is_now:
            state = customers.state_at(connection, key, moment)
            customers.require_one([] if state is None else [state], identifier, project_id, moment)
        until = position_of(connection, moment)
        return _timeline(connection, key, moment, until, before, limit)


def position_of(connection: Connection, moment: PointInTime) -> int:
    """Return the last position that counts: for now that of the tables; raises PositionUnknown."""
    if moment.is_now:
        return checkpoints.least_position(connection, PROJECTIONS)
    return customers.log_end(connection, moment)


def count_events(connection: Connection, customer: CustomerKey) -> int:
    """Return the number of a customer's events, as the tables have it; 0 if nothing is known."""
    rows = table_rows.load_one(connection, profile.PROJECTION, customer)
    return int(rows[0].event_count) if rows else 0


def _timeline(
    connection: Connection,
    key: CustomerKey,
    moment: PointInTime,
    until: int,
    before: CanonicalKey,
    limit: int,
) -> Timeline:
    count = count_events(connection, key)
    if count <= WHOLE_MAX:
        folded = _from_beginning(
            log.read_customer(connection, key, until=until, as_of=None), before, limit
        )
    else:
        folded = _from_snapshots(connection, key, moment, until, before, limit, count)
    page = _with_duplicates(connection, [each.event for each in folded.told[-limit:]])
    return Timeline(
        **key._asdict(),
        segments=tuple(SegmentPeriod(**asdict(row)) for row in folded.segments),
        tiers=tuple(TierPeriod(**asdict(row)) for row in folded.tiers),
        events=tuple(reversed(page)),
        next=paging.to_cursor(page[0].key) if len(folded.told) > limit else None,
        event_count=folded.event_count,
        losses=tuple(folded.losses[-LISTED_MAX:]),
        losses_are_all=folded.is_whole and len(folded.losses) <= LISTED_MAX,
        dead_letters=_dead_letters(connection, key, until),
        position=until,
    )


class _Folded(NamedTuple):
    """What a timeline is made of."""

    #: The events of the page in canonical order, with one more before them if there are more.
    told: list[Told]
    #: Rows of the two histories.
    segments: list[Any]
    tiers: list[Any]
    event_count: int
    losses: list[Loss]
    #: Whether all events were folded.
    is_whole: bool


def _from_beginning(events: Iterable[RecordedEvent], before: CanonicalKey, limit: int) -> _Folded:
    """Fold all events."""
    told: deque[Told] = deque(maxlen=limit + 1)
    losses: list[Loss] = []
    count, states = 0, INITIAL
    for each in tell(events):
        count, states = count + (each.event.type not in OBSERVATIONS), each.after
        if each.event.key < before:
            told.append(each)
        losses = _settled(losses, each)
        losses.extend(each.losses())
    segments, tiers = (
        periods.newest(group.history, group.history.to_rows(states[group.history.name]))
        for group in (SEGMENT, TIER)
    )
    return _Folded(list(told), segments, tiers, count, losses, is_whole=True)


def _from_snapshots(
    connection: Connection,
    key: CustomerKey,
    moment: PointInTime,
    until: int,
    before: CanonicalKey,
    limit: int,
    count: int,
) -> _Folded:
    """Fold the events of the page, and read the periods."""
    told = window.newest(connection, key, until=until, before=before, events_max=limit + 1)
    segments, tiers = (
        periods.read_now(connection, group.history, key)
        if moment.is_now
        else periods.read_then(connection, group.history, key, until=until)
        for group in (SEGMENT, TIER)
    )
    losses = [loss for each in told for loss in each.losses()]
    return _Folded(told, segments, tiers, count, losses, is_whole=False)


def _settled(losses: list[Loss], told: Told) -> list[Loss]:
    """Return the losses, of which those end that no longer make their tier uncertain."""
    tiers = told.after[TIER.now.name]
    if tiers is told.before[TIER.now.name]:
        return losses
    return [
        evolve(each, certain_again_at=told.event.occurred_at)
        if each.uncertain and each.certain_again_at is None and tiers[each.row_id].certain
        else each
        for each in losses
    ]


def _with_duplicates(connection: Connection, events: Sequence[StoryEvent]) -> list[StoryEvent]:
    found = duplicates.find(connection, [each.position for each in events])
    return [
        evolve(each, duplicates=found[each.position].count) if each.position in found else each
        for each in events
    ]


def _dead_letters(connection: Connection, key: CustomerKey, until: int) -> tuple[SkippedEvent, ...]:
    stream_id = streams.stream_of(connection, key)
    found = [
        SkippedEvent(position=each.position, projection=each.projection, reason=each.reason)
        for projection in PROJECTIONS
        for each in dead_letters.find_in_streams(connection, projection.name, [stream_id])
        if each.position <= until
    ]
    return tuple(sorted(found, key=lambda each: (each.position, each.projection))[:LISTED_MAX])
