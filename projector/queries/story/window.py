"""Tells a few events of a very long stream, from the nearest snapshots."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import NamedTuple

from sqlalchemy import Connection

from projector.envelope import KEY_MIN, CanonicalKey, CustomerKey, RecordedEvent
from projector.facts.codec import decode
from projector.projections import customer as profile
from projector.queries import past
from projector.queries.customer_state import PROJECTIONS
from projector.queries.past import Beginning
from projector.queries.story.events import States, Told, describe, fold_one


class _Turn(NamedTuple):
    """The fold of an event by some of the projections."""

    before: States
    after: States
    reasons: Mapping[str, str]


def newest(
    connection: Connection,
    customer: CustomerKey,
    *,
    until: int,
    before: CanonicalKey,
    events_max: int,
) -> list[Told]:
    """Return the last `events_max` events with a smaller key than `before`, in canonical order.

    The states are those of the answers' projections only.
    """
    events = _last_events(connection, customer, until, before, events_max)
    if not events:
        return []
    states: dict[str, object] = {}
    turns: list[dict[int, _Turn]] = []
    # Each projection has its own snapshots, so some may begin elsewhere than others.
    for begin in past.beginnings(
        connection, PROJECTIONS, customer, until=until, as_of=None, before=events[0].key
    ):
        entry, found = _fold(begin, events[0].key, before)
        states.update(entry)
        turns.append(found)
    told = []
    for event in events:
        was = dict(states)
        reasons: dict[str, str] = {}
        for some in turns:
            # A projection need not have read an event of which it has no evolver.
            turn = some.get(event.position)
            if turn is not None:
                states.update(turn.after)
                reasons.update(turn.reasons)
        now = dict(states)
        told.append(Told(describe(event, decode(event), was, now, reasons), was, now))
    return told


def _last_events(
    connection: Connection, customer: CustomerKey, until: int, before: CanonicalKey, events_max: int
) -> list[RecordedEvent]:
    """Return the last events before a key: behind one snapshot, or behind the one before it."""
    found: list[RecordedEvent] = []
    end = before
    while len(found) < events_max:
        # The projection of profiles reads the events of all types.
        [begin] = past.beginnings(
            connection, [profile.PROJECTION], customer, until=until, as_of=None, before=end
        )
        # A snapshot includes the event that has its key.
        events = _up_to(begin.events, end)
        earlier = deque(
            takewhile(lambda each: each.key < before, events), maxlen=events_max - len(found)
        )
        found = [*earlier, *found]
        if begin.key == KEY_MIN:
            break
        end = begin.key
    return found


def _up_to(events: Iterator[RecordedEvent], last: CanonicalKey) -> Iterator[RecordedEvent]:
    return takewhile(lambda each: each.key <= last, events)


def _fold(
    begin: Beginning, first: CanonicalKey, before: CanonicalKey
) -> tuple[States, dict[int, _Turn]]:
    """Return the states before the event `first`, and the folds of the events from it on."""
    projections = begin.projections
    states: States = {
        each.name: found.state for each, found in zip(projections, begin.states, strict=True)
    }
    entry = states
    turns: dict[int, _Turn] = {}
    for event in takewhile(lambda each: each.key < before, begin.events):
        after, reasons = fold_one(projections, states, event, decode(event))
        if event.key < first:
            entry = after
        else:
            turns[event.position] = _Turn(states, after, reasons)
        states = after
    return entry, turns
