"""Whether a segment or a tier holds, and which events gave it and took it away. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from attrs import define, field, frozen

from projector.envelope import RecordedEvent
from projector.facts.events import CustomerFact, SegmentEntered, SegmentLeft, TierFact, TierMove
from projector.projections.projection import State
from projector.queries.why.steps import CAMPAIGN, SEGMENT, FoldStep, Step, fold_steps, mark_deciding


class Verdict(StrEnum):
    """What can be said of a segment or a tier."""

    HOLDS = "holds"
    #: It held once, and an event ended that.
    TAKEN = "taken"
    NEVER_GIVEN = "never given"


class Kind(StrEnum):
    """What an id is the id of."""

    SEGMENT = "segment"
    TIER = "tier"


#: By the name of the subject whose rows tell of it.
_KINDS = {SEGMENT.name: Kind.SEGMENT, CAMPAIGN.name: Kind.TIER}


@frozen(kw_only=True)
class LastPeriod:
    """The last time that a row held it: a membership, or a tier in one campaign."""

    kind: Kind
    #: The id of the segment or of the campaign.
    row_id: str
    given_by: Step
    #: Null while it holds.
    taken_by: Step | None


@define
class Findings:
    """What a customer's events tell of a segment or a tier."""

    what: str
    #: By kind and row id.
    periods: dict[tuple[Kind, str], LastPeriod] = field(factory=dict)
    #: As what the customer's own events name it; for a tier, the campaign if that is told.
    named: dict[Kind, str | None] = field(factory=dict)
    #: The projections that could not take an event.
    incomplete: set[Kind] = field(factory=set)
    states: dict[Kind, State] = field(factory=dict)

    def take(self, turn: FoldStep) -> None:
        """Take an event into account."""
        kind = _KINDS[turn.subject.name]
        self.states[kind] = turn.after
        if turn.reason is not None:
            self.incomplete.add(kind)
        if turn.fact is not None:
            for named, campaign_id in _names_of(turn.fact, self.what):
                self.named[named] = campaign_id or self.named.get(named)
        for row_id, row in turn.after.items():
            before = turn.before.get(row_id)
            if row is not before:
                self._compare(turn, kind, row_id, before, row)

    def _compare(self, turn: FoldStep, kind: Kind, row_id: str, before: Any, after: Any) -> None:
        held, holds = _holds(kind, before, self.what), _holds(kind, after, self.what)
        identity = kind, row_id
        if holds and not held:
            step = turn.step(row_id)
            self.periods[identity] = LastPeriod(
                kind=kind, row_id=row_id, given_by=step, taken_by=None
            )
        elif held and not holds:
            given_by, taken_by = self.periods[identity].given_by, turn.step(row_id)
            self.periods[identity] = LastPeriod(
                kind=kind, row_id=row_id, given_by=given_by, taken_by=taken_by
            )

    def gaps(self, kind: Kind | None, campaign_id: str | None) -> int:
        """How many deliveries are proven to be lost that may have been about it."""
        gaps = 0
        if kind is not Kind.TIER:
            membership = self.states.get(Kind.SEGMENT, {}).get(self.what)
            gaps += 0 if membership is None else membership.gaps
        if kind is not Kind.SEGMENT:
            tiers = self.states.get(Kind.TIER, {})
            gaps += sum(row.gaps for row_id, row in tiers.items() if campaign_id in (None, row_id))
        return gaps

    def last_period(self) -> LastPeriod | None:
        """The period that counts: one that goes on, else the one that ended last."""
        if not self.periods:
            return None
        found = max(self.periods.values(), key=_recency)
        current = self.states[found.kind].get(found.row_id)
        return LastPeriod(
            kind=found.kind,
            row_id=found.row_id,
            given_by=mark_deciding(found.given_by, current),
            taken_by=found.taken_by and mark_deciding(found.taken_by, current),
        )


def find_evidence(what: str, events: Iterable[RecordedEvent]) -> Findings:
    """What a customer's events, in canonical order, tell of the segment or tier of an id."""
    findings = Findings(what)
    for turn in fold_steps([SEGMENT, CAMPAIGN], events):
        findings.take(turn)
    return findings


def _recency(period: LastPeriod) -> tuple[Any, ...]:
    ended = period.taken_by
    return (1, period.given_by.key) if ended is None else (0, ended.key)


def _holds(kind: Kind, row: Any, what: str) -> bool:
    if row is None:
        return False
    if kind is Kind.SEGMENT:
        return bool(row.is_member and row.segment_id == what)
    return bool(row.tier_id == what)


def _names_of(fact: CustomerFact, what: str) -> Iterator[tuple[Kind, str | None]]:
    """As what a fact names an id."""
    if isinstance(fact, SegmentEntered | SegmentLeft):
        if fact.segment.id == what:
            yield Kind.SEGMENT, None
        return
    if isinstance(fact, TierFact):
        tiers = [fact.loyalty_tier]
    elif isinstance(fact, TierMove):
        tiers = [fact.loyalty_tier_to, *filter(None, [fact.loyalty_tier_from])]
    else:
        return
    if any(tier.id == what for tier in tiers):
        yield Kind.TIER, _campaign_id(fact)


def _campaign_id(fact: TierFact | TierMove) -> str | None:
    try:
        return fact.campaign_id
    except ValueError:
        return None
