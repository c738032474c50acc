"""Tells a customer's events one by one: what each states, and what it did. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from attrs import frozen

from projector.envelope import CanonicalKey, RecordedEvent
from projector.facts.codec import decode
from projector.facts.events import (
    CustomerFact,
    DecodedFact,
    SegmentEntered,
    SegmentLeft,
    TierFact,
    TierMove,
    UndecodableFact,
)
from projector.facts.observations import TierObserved
from projector.facts.registry import class_of
from projector.projections.groups import SEGMENT, TIER, GroupKind
from projector.projections.projection import Projection, State, fold
from projector.queries.customer_state import PROJECTIONS
from projector.queries.why.steps import Effect, effect_on_row

#: The projections that a story folds: those of the answers, and the histories of both groups.
FOLDED = (*PROJECTIONS, SEGMENT.history, TIER.history)

#: States by the name of the projection.
States = Mapping[str, State]

INITIAL: States = {each.name: each.initial for each in FOLDED}


@frozen(kw_only=True)
class Statement:
    """What an event states of a segment or of a tier; of any other event, nothing."""

    segment_id: str | None = None
    segment_name: str | None = None
    campaign_id: str | None = None
    campaign_name: str | None = None
    #: The tier that the customer is on, joined or left.
    tier_id: str | None = None
    tier_name: str | None = None
    #: The tier before an upgrade or a downgrade.
    from_tier_id: str | None = None
    from_tier_name: str | None = None
    expires_on: date | None = None


@frozen(kw_only=True)
class StoryEvent:
    """An event of a customer, as it reads in a story."""

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
    #: The effect on the customer's segments and tiers.
    effect: Effect
    #: Why it is a dead letter, as a sentence; null for other effects.
    reason: str | None
    #: What it states, as far as it can be decoded.
    stated: Statement
    #: How many times it was delivered again.
    duplicates: int = 0

    @property
    def key(self) -> CanonicalKey:
        """The canonical key of the event, which is its place in the stream."""
        return CanonicalKey(self.occurred_at, self.event_id)


@frozen(kw_only=True)
class Loss:
    """The proof that a delivery about a segment, or about the tier in a campaign, was lost."""

    kind: GroupKind
    #: The id of the segment or of the campaign.
    row_id: str
    #: The event that does not follow from what came before.
    position: int
    occurred_at: datetime
    #: Whether the tier is not certain from here on.
    uncertain: bool
    #: The instant from which on it is certain again; null if it never was.
    certain_again_at: datetime | None


class Told(NamedTuple):
    """An event and the states of all projections before and after it."""

    event: StoryEvent
    before: States
    after: States

    def losses(self) -> Iterator[Loss]:
        """Yield what the event proves lost."""
        for group in (SEGMENT, TIER):
            rows, before = self.after[group.now.name], self.before[group.now.name]
            if rows is before:
                continue
            for row_id, row in rows.items():
                was = before.get(row_id)
                if row is not was and row.gaps > (0 if was is None else was.gaps):
                    yield Loss(
                        kind=group.kind,
                        row_id=row_id,
                        position=self.event.position,
                        occurred_at=self.event.occurred_at,
                        uncertain=not getattr(row, "certain", True),
                        certain_again_at=None,
                    )


def tell(events: Iterable[RecordedEvent], states: States = INITIAL) -> Iterator[Told]:
    """Fold a customer's events, in canonical order, and yield what each says and did.

    `states` are those before the first of the events. The events that this program wrote itself,
    such as sendings of offers, are no part of a story, since no projection reads them.
    """
    for event in filter(is_told, events):
        before = states
        fact = decode(event)
        states, reasons = fold_one(FOLDED, before, event, fact)
        yield Told(describe(event, fact, before, states, reasons), before, states)


def is_told(event: RecordedEvent) -> bool:
    """Return whether a projection may read an event.

    Of the events that this program wrote itself, these are what the source said when it was asked.
    """
    return class_of(event.type) is not None


def fold_one(
    projections: Sequence[Projection],
    states: States,
    event: RecordedEvent,
    fact: DecodedFact | None,
) -> tuple[States, Mapping[str, str]]:
    """Fold an event; return the states, and by projection why it could not be folded."""
    if fact is None:
        return states, {}
    before = [states[each.name] for each in projections]
    folded, failures = fold(projections, before, [(event.key, fact, event.position)])
    after = {each.name: state for each, state in zip(projections, folded, strict=True)}
    return after, {each.projection: each.reason for each in failures}


def state_what(fact: DecodedFact | None) -> Statement:
    """Return what a fact states of a segment or a tier."""
    if isinstance(fact, SegmentEntered | SegmentLeft):
        return Statement(segment_id=fact.segment.id, segment_name=fact.segment.name)
    if isinstance(fact, TierFact):
        tier, expires_on = fact.loyalty_tier, _readable(fact)
        return Statement(
            **_campaign(fact), tier_id=tier.id, tier_name=tier.name, expires_on=expires_on
        )
    if isinstance(fact, TierMove):
        to, came_from = fact.loyalty_tier_to, fact.loyalty_tier_from
        return Statement(
            **_campaign(fact),
            tier_id=to.id,
            tier_name=to.name,
            from_tier_id=None if came_from is None else came_from.id,
            from_tier_name=None if came_from is None else came_from.name,
            expires_on=_readable(to),
        )
    if isinstance(fact, TierObserved):
        tier_seen = fact.loyalty_tier
        return Statement(
            campaign_id=fact.campaign.id,
            campaign_name=fact.campaign.name,
            tier_id=None if tier_seen is None else tier_seen.id,
            tier_name=None if tier_seen is None else tier_seen.name,
            expires_on=None if tier_seen is None else _readable(tier_seen),
        )
    return Statement()


def describe(
    event: RecordedEvent,
    fact: DecodedFact | None,
    before: States,
    after: States,
    reasons: Mapping[str, str],
) -> StoryEvent:
    """Return what an event says and did, from the states of the answers' projections."""
    # A history fails where its group does.
    reason = next(
        (reasons[each.name] for each in reversed(PROJECTIONS) if each.name in reasons), None
    )
    return StoryEvent(
        position=event.position,
        event_id=event.event_id,
        type=event.type,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        late=event.late,
        lateness_seconds=(event.received_at - event.occurred_at).total_seconds(),
        effect=Effect.DEAD_LETTER if reason is not None else _effect(before, after, fact),
        reason=reason,
        stated=state_what(fact if not isinstance(fact, UndecodableFact) else None),
    )


#: The effects of an event on one row each, those first that are the event's if one row has them.
_WEIGHTIEST = (Effect.GAP, Effect.REPAIRED, Effect.APPLIED, Effect.CONFIRMED)


def _effect(before: States, after: States, fact: DecodedFact | None) -> Effect:
    stated = fact if isinstance(fact, CustomerFact) else None
    effects = {
        effect_on_row(was.get(row_id), row, stated)
        for group in (SEGMENT, TIER)
        for was, rows in [(before[group.now.name], after[group.now.name])]
        if rows is not was
        for row_id, row in rows.items()
        if row is not was.get(row_id)
    }
    return next((each for each in _WEIGHTIEST if each in effects), Effect.NO_CHANGE)


def _campaign(fact: TierFact | TierMove) -> dict[str, Any]:
    try:
        campaign_id: str | None = fact.campaign_id
    except ValueError:
        campaign_id = None
    name = fact.campaign.name if fact.campaign is not None else None
    return {"campaign_id": campaign_id, "campaign_name": name}


def _readable(stated: Any) -> date | None:
    """Return the last day that a fact or a tier states; None if it is not readable, either."""
    try:
        found: date | None = stated.expires_on
    except ValueError:
        return None
    return found
