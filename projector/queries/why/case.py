"""Judges whether a customer was in a segment or on a tier on a day, and how sure that is. PURE.

What the fold says of a day can be doubted for six reasons, even though no event up to that day
says otherwise:

- An event up to the day could not be read, so nobody knows what it says.
- The tier was not certain on that day: a delivery was proven lost before, and no event since has
  said which tier it is.
- The next event after the day that says something of the segment, or of the tier in the campaign,
  does not follow from what came before: a delivery was lost between the two, and the lost one may
  be of before the day or of after it. (An event that follows says that nothing was missing until
  then. What is proven lost later was lost later.)
- What the fold says is what the source said when it was asked, and the day ends within the window
  of the asking: it may have become true only after the day.
- The last day of the tier was over, no event up to the day said what came after, and the next one
  does not say that the customer was still on it.
- Nothing at all is known of the customer up to the day, and the first event is not the creation of
  the customer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from attrs import field, frozen

from projector.envelope import RecordedEvent
from projector.facts.codec import decode
from projector.facts.events import (
    CustomerCreated,
    CustomerDeleted,
    DecodedFact,
    SegmentLeft,
    TierExpirationChanged,
    TierLeft,
    TierMove,
    TierProlonged,
)
from projector.facts.observations import Observation, TierObserved
from projector.projections.groups import GROUPS, Group, GroupKind
from projector.projections.observing import is_in_flight
from projector.projections.projection import Row
from projector.queries.customer_state import is_overdue
from projector.queries.why.steps import Effect, Step, fold_steps


class Doubt(StrEnum):
    """Why one cannot tell."""

    UNREADABLE = "unreadable"
    UNCERTAIN = "uncertain"
    LOST = "lost"
    #: The source said so, at an instant that may be after the day.
    SEEN = "seen"
    OVERDUE = "overdue"
    UNKNOWN = "unknown"


@frozen(kw_only=True)
class Target:
    """A segment, or a tier in a campaign."""

    kind: GroupKind
    #: The id of the segment or of the tier.
    group_id: str
    #: None for a segment.
    campaign_id: str | None = None

    @property
    def group(self) -> Group:
        """The kind of group."""
        return GROUPS[self.kind]

    @property
    def row_id(self) -> str:
        """The id of the row that decides: that of the segment or of the campaign."""
        return self.group_id if self.campaign_id is None else self.campaign_id


@frozen(kw_only=True)
class CaseStep:
    """An event that concerns the row, its effect on it, and what it states."""

    step: Step
    #: None if it cannot be decoded.
    fact: DecodedFact | None = field(eq=False)
    #: Whether it occurred up to the day.
    is_before: bool


@frozen(kw_only=True)
class Case:
    """The evidence about one day."""

    target: Target
    #: The row as of the day; None if nothing said anything of it until then.
    row: Row | None
    #: Whether the customer was in the group as of the day, as far as was told.
    holds: bool
    #: Whether the last day of the tier was over on the day.
    is_overdue: bool
    doubt: Doubt | None
    #: The event from which the doubt comes: the unreadable one, the one that proves a loss, the
    #: one that said the last day, the first one of the customer; None if there is none.
    doubtful: CaseStep | None
    #: The event with which the last period in the group up to the day began; None if there is none,
    #: and if its beginning is unknown.
    given_by: CaseStep | None
    #: The event with which that period ended up to the day.
    taken_by: CaseStep | None
    #: The first events after the day with which the period ended, or another one began.
    ended_later: CaseStep | None
    given_later: CaseStep | None
    #: The first event of the customer, whatever it is about; None without any.
    first_at: datetime | None
    #: Whether any event of the customer occurred up to the day.
    is_known: bool
    #: All events that concern the row, in canonical order.
    steps: tuple[CaseStep, ...]

    @property
    def deciding(self) -> CaseStep | None:
        """The event that decides the answer."""
        if self.doubt is not None:
            return self.doubtful
        return self.given_by if self.holds else self.taken_by


def build_case(
    target: Target, events: Iterable[RecordedEvent], *, as_of: datetime | None, day: date
) -> Case:
    """Judge by all of a customer's events, in canonical order.

    `as_of` is the end of the day, or None for now, when all events count. `day` is its day in UTC,
    by which a tier is overdue.
    """
    watched = _Watched(events, as_of)
    steps = _steps(target, watched, as_of)
    then = [each for each in steps if each.is_before]
    later = [each for each in steps if not each.is_before]
    row: Any = then[-1].step.after if then else None
    given_by, taken_by = _last_period(target, then)
    overdue = target.kind is GroupKind.TIER and row is not None and is_overdue(row, day)
    doubt, doubtful = _doubt(row, then, later, as_of=as_of, overdue=overdue)
    if doubt is None and not watched.is_known and not watched.is_created:
        doubt = Doubt.UNKNOWN
    ended_later, given_later = _later(target, later)
    return Case(
        target=target,
        row=row,
        holds=target.group.holds(row, target.group_id),
        is_overdue=overdue,
        doubt=doubt,
        doubtful=doubtful,
        given_by=given_by,
        taken_by=taken_by,
        ended_later=ended_later,
        given_later=given_later,
        first_at=watched.first_at,
        is_known=watched.is_known,
        steps=tuple(steps),
    )


class _Watched:
    """Events, of which it notes how they begin; iterated once."""

    def __init__(self, events: Iterable[RecordedEvent], as_of: datetime | None) -> None:
        self._events, self._as_of = events, as_of
        self.first_at: datetime | None = None
        self.is_known = False
        #: Whether the first event is the creation of the customer.
        self.is_created = False

    def __iter__(self) -> Iterator[RecordedEvent]:
        for event in self._events:
            if self.first_at is None:
                self.first_at = event.occurred_at
                self.is_created = isinstance(decode(event), CustomerCreated)
                self.is_known = self._as_of is None or event.occurred_at <= self._as_of
            yield event


def _steps(
    target: Target, events: Iterable[RecordedEvent], as_of: datetime | None
) -> list[CaseStep]:
    group = target.group
    return [
        CaseStep(
            step=each.step(target.row_id),
            fact=each.fact,
            is_before=as_of is None or each.event.occurred_at <= as_of,
        )
        for each in fold_steps([group], [group.now.initial], events)
        if each.reason is not None or each.concerns(target.row_id)
    ]


def _last_period(
    target: Target, steps: Sequence[CaseStep]
) -> tuple[CaseStep | None, CaseStep | None]:
    """Return the events with which the last period in the group began and ended."""
    group, group_id = target.group, target.group_id
    given_by: CaseStep | None = None
    taken_by: CaseStep | None = None
    for each in steps:
        before, after = each.step.before, each.step.after
        if group.begins(before, after, group_id):
            given_by, taken_by = each, None
        elif group.ends(before, after, group_id):
            taken_by = each
        elif each.step.effect is Effect.GAP and left_behind(each.fact) == group_id:
            # It held, although nothing had given it.
            given_by, taken_by = None, each
    return given_by, taken_by


def left_behind(fact: DecodedFact | None) -> str | None:
    """Return the id of the group in which the customer was until an event, as far as it says so."""
    if isinstance(fact, SegmentLeft):
        return fact.segment.id
    if isinstance(fact, TierLeft):
        return fact.loyalty_tier.id
    if isinstance(fact, TierMove) and fact.loyalty_tier_from is not None:
        return fact.loyalty_tier_from.id
    return None


def _doubt(
    row: Any,
    then: Sequence[CaseStep],
    later: Sequence[CaseStep],
    *,
    as_of: datetime | None,
    overdue: bool,
) -> tuple[Doubt | None, CaseStep | None]:
    unreadable = next((each for each in then if each.step.effect is Effect.DEAD_LETTER), None)
    if unreadable is not None:
        return Doubt.UNREADABLE, unreadable
    if row is not None and not getattr(row, "certain", True):
        return Doubt.UNCERTAIN, _last(then, Effect.GAP)
    if row is not None and as_of is not None and is_in_flight(row.seen_at, as_of):
        return Doubt.SEEN, _last(then, Effect.REPAIRED)
    following = next((each for each in later if _says_something(each)), None)
    if following is not None and _contradicts(following):
        return Doubt.LOST, following
    if overdue:
        confirmed = following is not None and _still_on(following.fact) == row.tier_id
        if not confirmed:
            return Doubt.OVERDUE, _last(then, Effect.APPLIED, Effect.GAP, Effect.REPAIRED)
    return None, None


def _says_something(each: CaseStep) -> bool:
    """Return whether an event says what the customer was in, so that it can be compared.

    A deletion does not say it, and neither does leaving a tier that only accompanies a move.
    """
    step, fact = each.step, each.fact
    if isinstance(fact, Observation):
        return step.effect in (Effect.CONFIRMED, Effect.REPAIRED)
    if step.effect in (Effect.GAP, Effect.DEAD_LETTER):
        return step.effect is Effect.GAP
    if isinstance(fact, TierLeft):
        return step.before is not None and step.before.tier_id == fact.loyalty_tier.id
    if isinstance(fact, SegmentLeft):
        return step.before is not None and bool(step.before.is_member)
    return not isinstance(fact, CustomerDeleted)


def _contradicts(each: CaseStep) -> bool:
    """Return whether an event does not follow from what came before: a delivery was lost."""
    if each.step.effect is Effect.REPAIRED:
        return not _says_the_same(each.step.before, each.step.after)
    return each.step.effect is Effect.GAP


def _says_the_same(before: Any, after: Any) -> bool:
    """Return whether two rows agree on the segment or the tier, whatever else differs."""
    if before is None or after is None:
        return False
    names = ("is_member", "tier_id", "certain")
    return all(getattr(before, name, None) == getattr(after, name, None) for name in names)


def _still_on(fact: DecodedFact | None) -> str | None:
    """Return the id of the tier that the customer was on until an event, as far as it says so."""
    if isinstance(fact, TierObserved):
        return None if fact.loyalty_tier is None else fact.loyalty_tier.id
    if isinstance(fact, TierProlonged | TierExpirationChanged):
        return fact.loyalty_tier.id
    return left_behind(fact)


def _later(target: Target, steps: Sequence[CaseStep]) -> tuple[CaseStep | None, CaseStep | None]:
    group, group_id = target.group, target.group_id
    ended = next(
        (each for each in steps if group.ends(each.step.before, each.step.after, group_id)),
        None,
    )
    given = next(
        (each for each in steps if group.begins(each.step.before, each.step.after, group_id)), None
    )
    return ended, given


def _last(steps: Sequence[CaseStep], *effects: Effect) -> CaseStep | None:
    return next((each for each in reversed(steps) if each.step.effect in effects), None)
