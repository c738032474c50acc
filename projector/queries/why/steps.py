"""What each event did to one row, step by step through the fold that wrote the row. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from attrs import evolve, frozen

from projector.envelope import CanonicalKey, RecordedEvent
from projector.facts.codec import Undecodable, decode
from projector.facts.events import CustomerFact
from projector.facts.registry import facts
from projector.projections.groups import Group
from projector.projections.projection import Row, State, fold


class Effect(StrEnum):
    """What an event did to a row."""

    APPLIED = "applied"
    NO_CHANGE = "no change"
    #: It changed the row, and proves that a delivery was lost.
    GAP = "gap"
    #: It could not be read, or the fold refused it.
    DEAD_LETTER = "dead letter"


@frozen(kw_only=True)
class Step:
    """An event that concerns a row, and what it did to it."""

    position: int
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool
    #: From its occurrence to its arrival; below 0 where the two clocks disagree.
    lateness_seconds: float
    effect: Effect
    #: Why it is a dead letter, as a sentence; null for other effects.
    reason: str | None
    #: The row as the fold had it; null where there was none.
    before: Row | None
    after: Row | None
    #: Whether the row is as it is because of this event: no later one changed it.
    decides: bool = False
    #: How many times it was delivered again.
    duplicates: int = 0

    @property
    def key(self) -> CanonicalKey:
        """Where its event stands in the stream."""
        return CanonicalKey(self.occurred_at, self.event_id)


class FoldStep(NamedTuple):
    """One event's turn in the fold of a projection that reads it."""

    group: Group
    event: RecordedEvent
    #: None where the event cannot be decoded.
    fact: CustomerFact | None
    #: Rows by id.
    before: State
    after: State
    #: Why it is a dead letter; None if it is not.
    reason: str | None

    def concerns(self, row_id: str) -> bool:
        """Whether it has a say in a row, or may have one: of some dead letters nobody can tell."""
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
        """What it did to a row."""
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
    """How a row came to be what it is."""

    #: In canonical order.
    steps: tuple[Step, ...]
    current: Row | None
    #: False where an event of the customer is a dead letter of the projection, whatever row it was
    #: about.
    complete: bool


def fold_steps(groups: Sequence[Group], events: Iterable[RecordedEvent]) -> Iterator[FoldStep]:
    """Fold a customer's events, in canonical order, and tell each turn: one pass, one decoding."""
    projections = [each.now for each in groups]
    states: list[State] = [each.initial for each in projections]
    for event in events:
        fact, problem = _decode(event)
        reader = facts().get(event.type)
        before, reasons = states, {}
        if fact is not None:
            keyed = (event.key, fact, event.position)
            states, failures = fold(projections, before, [keyed])
            reasons = {each.projection: each.reason for each in failures}
        for group, was, now in zip(groups, before, states, strict=True):
            if reader in group.now.evolvers:
                reason = problem or reasons.get(group.now.name)
                yield FoldStep(group, event, fact, was, now, reason)


def trace(group: Group, row_id: str, events: Iterable[RecordedEvent]) -> Trace:
    """The steps of one row, from the events of its customer in canonical order."""
    steps: list[Step] = []
    complete = True
    current = None
    for turn in fold_steps([group], events):
        complete = complete and turn.reason is None
        current = turn.after.get(row_id)
        if turn.concerns(row_id):
            steps.append(turn.step(row_id))
    decided = tuple(mark_deciding(each, current) for each in steps)
    return Trace(steps=decided, current=current, complete=complete)


def mark_deciding(step: Step, current: Row | None) -> Step:
    """The step, marked if the row is as it is because of its event."""
    decides = current is not None and step.event_id == current.changed_by
    return evolve(step, decides=True) if decides else step


def _decode(event: RecordedEvent) -> tuple[CustomerFact | None, str | None]:
    """The fact of an event, or why there is none; neither for a type that nobody reads."""
    try:
        return decode(event), None
    except Undecodable as error:
        return None, str(error)


def _effect(before: Row | None, after: Row | None, reason: str | None) -> Effect:
    if reason is not None:
        return Effect.DEAD_LETTER
    if after == before:
        return Effect.NO_CHANGE
    gaps = 0 if before is None else before.gaps
    return Effect.GAP if after is not None and after.gaps > gaps else Effect.APPLIED
