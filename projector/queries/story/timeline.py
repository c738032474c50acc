"""Tells a customer's story: periods, events with their effects, and what is known to be missing.

A stream of up to WHOLE_MAX events is folded from its beginning. Of a longer one only a page of
events is folded, from the nearest snapshots: see `window`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import evolve, frozen
from sqlalchemy import Connection

from projector.envelope import KEY_MAX, CanonicalKey, CustomerKey, RecordedEvent
from projector.projections import customer as profile
from projector.projections import loyalty_tier_history, segment_membership_history
from projector.projections.groups import SEGMENT, TIER
from projector.queries import customers
from projector.queries.customer_state import PROJECTIONS
from projector.queries.customers import PointInTime
from projector.queries.story import periods, window
from projector.queries.story.events import Loss, StoryEvent, Told, tell
from projector.store import checkpoints, dead_letters, duplicates, log, table_rows
from projector.store import customers as streams
from projector.store.database import Database
from projector.text import paging

#: The maximum number of events of a stream that is folded from its beginning.
WHOLE_MAX = 10_000

#: The maximum number of dead letters, and of losses, in an answer.
LISTED_MAX = 1_000


@frozen(kw_only=True)
class SkippedEvent:
    """An event that a projection could not fold."""

    position: int
    projection: str
    reason: str


@frozen(kw_only=True)
class Timeline:
    """A customer's story, as it was known at a position of the log."""

    project_id: str
    customer_id: str
    #: The periods in segments, and those on tiers: of each segment and campaign the newest ones.
    segments: tuple[segment_membership_history.Row, ...]
    tiers: tuple[loyalty_tier_history.Row, ...]
    #: A page of the events, the newest first.
    events: tuple[StoryEvent, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None
    #: The number of all events.
    event_count: int
    #: The proofs that deliveries were lost, in canonical order: of all events, or only of those on
    #: the page if the customer has very many.
    losses: tuple[Loss, ...]
    losses_are_all: bool
    #: The events that could not be folded, as known now, by position.
    dead_letters: tuple[SkippedEvent, ...]
    #: The position of the log up to which it reflects every event.
    position: int


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
    fields: dict[str, Any]
    if count <= WHOLE_MAX:
        events = log.read_customer(connection, key, until=until, as_of=None)
        fields = _from_beginning(events, before, limit)
    else:
        told = window.newest(connection, key, until=until, before=before, events_max=limit + 1)
        read = periods.read_now if moment.is_now else None
        found = [
            read(connection, group.history, key)
            if read is not None
            else periods.read_then(connection, group.history, key, until=until)
            for group in (SEGMENT, TIER)
        ]
        losses = [loss for each in told for loss in each.losses()]
        fields = {
            "told": told,
            "segments": tuple(found[0]),
            "tiers": tuple(found[1]),
            "event_count": count,
            "losses": tuple(losses[-LISTED_MAX:]),
            "losses_are_all": False,
        }
    told = fields.pop("told")
    page = _with_duplicates(connection, [each.event for each in told[-limit:]])
    return Timeline(
        **key._asdict(),
        **fields,
        events=tuple(reversed(page)),
        next=paging.to_cursor(page[0].key) if len(told) > limit else None,
        dead_letters=_dead_letters(connection, key, until),
        position=until,
    )


def _from_beginning(
    events: Iterable[RecordedEvent], before: CanonicalKey, limit: int
) -> dict[str, Any]:
    """Fold all events; keep one more than the page has, if there are more."""
    told: deque[Told] = deque(maxlen=limit + 1)
    losses: list[Loss] = []
    count, last = 0, None
    for last in tell(events):
        count += 1
        if last.event.key < before:
            told.append(last)
        losses = _settled(losses, last)
        losses.extend(last.losses())
    states = {} if last is None else last.after
    return {
        "told": list(told),
        **{
            name: tuple(
                periods.newest(group.history, group.history.to_rows(states[group.history.name]))
                if states
                else ()
            )
            for name, group in (("segments", SEGMENT), ("tiers", TIER))
        },
        "event_count": count,
        "losses": tuple(losses[-LISTED_MAX:]),
        "losses_are_all": len(losses) <= LISTED_MAX,
    }


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
