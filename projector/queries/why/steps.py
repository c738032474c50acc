"""Traces one row through the fold that wrote it: what each event did to the row. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from attrs import evolve, frozen

from projector.envelope import CanonicalKey, RecordedEvent
from projector.facts.codec import decode
from projector.facts.events import CustomerFact, UndecodableFact
from projector.projections.groups import Group
from projector.projections.projection import Row, State, class_of, fold


class Effect(StrEnum):
    """The effect of an event on a row."""

    APPLIED = "applied"
    NO_CHANGE = "no change"
    #: The event changed the row, and proves that a delivery was lost.
    GAP = "gap"
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
            effect=_effect(before, after, self.reason),
            reason=self.reason,
            before=before,
            after=after,
        )


@frozen(kw_only=True)
class Trace:
    """The history of a row."""

    #: In canonical order.
    steps: tuple[Step, ...]
    current: Row | None
    #: False if any event of the customer is a dead letter of the projection, whichever row it was
    #: about.
    complete: bool


def fold_steps(groups: Sequence[Group], events: Iterable[RecordedEvent]) -> Iterator[FoldStep]:
    """Fold a customer's events, in canonical order, and yield every step: one pass, one decode."""
    projections = [each.now for each in groups]
    states: list[State] = [each.initial for each in projections]
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


def trace(group: Group, row_id: str, events: Iterable[RecordedEvent]) -> Trace:
    """Return the steps of one row, from the events of its customer in canonical order."""
    steps: list[Step] = []
    complete = True
    current = None
    for each in fold_steps([group], events):
        complete = complete and each.reason is None
        current = each.after.get(row_id)
        if each.concerns(row_id):
            steps.append(each.step(row_id))
    marked = tuple(mark_deciding(each, current) for each in steps)
    return Trace(steps=marked, current=current, complete=complete)


def mark_deciding(step: Step, current: Row | None) -> Step:
    """Return the step, marked if its event decides the current row."""
    decides = current is not None and step.event_id == current.changed_by
    return evolve(step, decides=True) if decides else step


def _effect(before: Row | None, after: Row | None, reason: str | None) -> Effect:
    if reason is not None:
        return Effect.DEAD_LETTER
    if after == before:
        return Effect.NO_CHANGE
    gaps = 0 if before is None else before.gaps
    return Effect.GAP if after is not None and after.gaps > gaps else Effect.APPLIED
