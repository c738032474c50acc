"""Traces one row through the fold that wrote it: what each event did to the row. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from attrs import evolve, frozen
from msgspec.structs import replace

from projector.envelope import CanonicalKey, RecordedEvent
from projector.facts.codec import decode
from projector.facts.events import CustomerFact, UndecodableFact
from projector.facts.observations import Observation, SegmentsObserved
from projector.projections.groups import Group
from projector.projections.projection import Row, State, class_of, fold


class Effect(StrEnum):
    """The effect of an event on a row."""

    APPLIED = "applied"
    NO_CHANGE = "no change"
    #: The event changed the row, and proves that a delivery was lost.
    GAP = "gap"
    #: The source was asked, and said what the row says.
    CONFIRMED = "confirmed"
    #: The source was asked, and its answer changed the row.
    REPAIRED = "repaired"
    #: The event could not be decoded, or the fold refused it.
    DEAD_LETTER = "dead letter"


@frozen(kw_only=True)
class Step:
    """An event that concerns a row, and its effect on it."""

    position: int
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool
    #: The time from its occurrence to its arrival; negative if the clocks of sender and receiver
    #: disagree.
    lateness_seconds: float
    effect: Effect
    #: Why it is a dead letter, as a sentence; null for other effects.
    reason: str | None
    #: The row before and after the event, as the fold had it; null if there was none.
    before: Row | None
    after: Row | None
    #: Whether this event decides the row: it changed the row, and no later one did.
    decides: bool = False
    #: How many times it was delivered again.
    duplicates: int = 0
    #: The body of an observation, with what the source said as evidence; null for other events.
    body: str | None = None

    @property
    def key(self) -> CanonicalKey:
        """The canonical key of the event, which is its place in the stream."""
        return CanonicalKey(self.occurred_at, self.event_id)


class FoldStep(NamedTuple):
    """One event's turn in the fold of a projection that reads it."""

    group: Group
    event: RecordedEvent
    #: None if the event cannot be decoded.
    fact: CustomerFact | None
    #: The rows by id.
    before: State
    after: State
    #: Why the event is a dead letter; None if it is not.
    reason: str | None

    def concerns(self, row_id: str) -> bool:
        """Say whether the event concerns a row; a dead letter that names no row may concern any."""
        if self.fact is None:
            return True
        if isinstance(self.fact, SegmentsObserved) and not self.fact.looks_at(row_id):
            return False
        try:
            named = self.group.row_of(self.fact)
        except ValueError:
            return True
        if named is None:
            return row_id in self.before or row_id in self.after
        return named == row_id

    def step(self, row_id: str) -> Step:
        """Return the effect of the event on a row, as a step."""
        event, before, after = self.event, self.before.get(row_id), self.after.get(row_id)
        return Step(
            position=event.position,
            event_id=event.event_id,
            type=event.type,
            occurred_at=event.occurred_at,
            received_at=event.received_at,
            late=event.late,
            lateness_seconds=(event.received_at - event.occurred_at).total_seconds(),
            effect=effect_on_row(before, after, self.fact, self.reason),
            reason=self.reason,
            before=before,
            after=after,
            body=event.body if isinstance(self.fact, Observation) else None,
        )


@frozen(kw_only=True)
class Trace:
    """A page of the history of a row."""

    #: In canonical order.
    steps: tuple[Step, ...]
    #: The key of the event with which the page ends; None for the last page.
    last: CanonicalKey | None
    #: The state after the events that were folded: on the last page, after all of them.
    state: State
    #: False if any of these events is a dead letter of the projection, whichever row it was about.
    complete: bool


def fold_steps(
    groups: Sequence[Group], states: Sequence[State], events: Iterable[RecordedEvent]
) -> Iterator[FoldStep]:
    """Fold a customer's events, in canonical order, and yield every step: one pass, one decode.

    `states` are those of the groups' projections before the first of the events.
    """
    projections = [each.now for each in groups]
    for event in events:
        fact = decode(event)
        if fact is None:
            continue
        before = states
        states, failures = fold(projections, before, [(event.key, fact, event.position)])
        reasons = {each.projection: each.reason for each in failures}
        decoded = None if isinstance(fact, UndecodableFact) else fact
        for group, was, now in zip(groups, before, states, strict=True):
            if class_of(fact) in group.now.evolvers:
                yield FoldStep(group, event, decoded, was, now, reasons.get(group.now.name))


def trace(
    group: Group,
    row_id: str,
    state: State,
    events: Iterable[RecordedEvent],
    *,
    after: CanonicalKey | None,
    steps_max: int,
    events_max: int,
) -> Trace:
    """Return a page of the steps of one row: those of events with a greater key than `after`.

    The events are those that follow on `state`, in canonical order. The page ends before it has
    more than `steps_max` steps, or with `events_max` events, which may all be about other rows.
    """
    window = _Window(events, after, events_max)
    steps: list[Step] = []
    complete, last = True, None
    for each in fold_steps([group], [state], window):
        complete = complete and each.reason is None
        state = each.after
        if (after is not None and each.event.key <= after) or not each.concerns(row_id):
            continue
        if len(steps) == steps_max:
            last = steps[-1].key
            break
        steps.append(each.step(row_id))
    else:
        last = window.last if window.is_cut else None
    return Trace(steps=tuple(steps), last=last, state=state, complete=complete)


class _Window:
    """The events up to `after`, and up to `events_max` of those behind it; iterated once."""

    def __init__(
        self, events: Iterable[RecordedEvent], after: CanonicalKey | None, events_max: int
    ) -> None:
        self._events, self._after, self._events_max = events, after, events_max
        #: The key of the last event, and whether there are more; set in the end.
        self.last: CanonicalKey | None = None
        self.is_cut = False

    def __iter__(self) -> Iterator[RecordedEvent]:
        number = 0
        for event in self._events:
            if self._after is None or event.key > self._after:
                if number == self._events_max:
                    self.is_cut = True
                    return
                number += 1
            self.last = event.key
            yield event


def mark_deciding(step: Step, current: Row | None) -> Step:
    """Return the step, marked if its event decides the current row."""
    decides = current is not None and step.event_id == current.changed_by
    return evolve(step, decides=True) if decides else step


def effect_on_row(
    before: Row | None, after: Row | None, fact: CustomerFact | None, reason: str | None = None
) -> Effect:
    """Return the effect of a fact on a row of the present members; `reason` of a dead letter."""
    if reason is not None:
        return Effect.DEAD_LETTER
    if after == before:
        return Effect.NO_CHANGE
    is_observation = isinstance(fact, Observation)
    if before is not None and after is not None and _without_looks(before) == _without_looks(after):
        return Effect.CONFIRMED if is_observation else Effect.NO_CHANGE
    if is_observation:
        return Effect.REPAIRED
    gaps = 0 if before is None else before.gaps
    return Effect.GAP if after is not None and after.gaps > gaps else Effect.APPLIED


def _without_looks(row: Row) -> Row:
    """Return the row without what only says when the source was asked."""
    return replace(row, observed_at=None, settled=0, seen_at=None, silent=False)
