"""Asks whether a customer was in a segment or on a tier, by the pure functions alone."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from projector.envelope import RecordedEvent
from projector.projections.groups import GroupKind
from projector.queries.why.case import Case, Target, build_case
from projector.server.console.words.parts import Names, Person, person
from projector.server.console.words.question import Question
from projector.server.console.words.verdict_words import Verdict, verdict
from projector.server.console.zones import Zone
from projector.text.instants import parse
from tests.support.given import Delivery, envelope

GOLD, SILVER, BRONZE = (
    Target(kind=GroupKind.TIER, campaign_id="camp_1", group_id=each)
    for each in ("gold", "silver", "bronze")
)
NEW, ESPRESSO = (
    Target(kind=GroupKind.SEGMENT, group_id=each) for each in ("seg_new", "seg_espresso")
)

NAMES = Names(
    tiers={("camp_1", each): each.title() for each in ("gold", "silver", "bronze")},
    campaigns={"camp_1": "Bean Club"},
    segments={"seg_new": "New customers", "seg_espresso": "Espresso lovers"},
)
MARA = person("Mara Lindqvist", "shop-1001", "cust_1")


def recorded(
    deliveries: Sequence[Delivery], *, delay: timedelta = timedelta(seconds=1)
) -> list[RecordedEvent]:
    """Return the events in canonical order; one with `received` came then, others soon."""
    events = []
    for position, each in enumerate(deliveries, 1):
        webhook = {key: value for key, value in each.items() if key != "received"}
        read = envelope(webhook)
        came = each.get("received")
        events.append(
            RecordedEvent(
                project_id=read.project_id,
                event_id=read.event_id,
                type=read.type,
                customer_id=read.customer_id,
                occurred_at=read.occurred_at,
                source=read.source,
                body=read.body,
                position=position,
                stream_id=1,
                received_at=read.occurred_at + delay if came is None else parse(came),
                late=False,
            )
        )
    return sorted(events, key=lambda each: each.key)


def case_of(deliveries: Sequence[Delivery], target: Target, day: str | None) -> Case:
    """Judge as of the end of a day such as `2025-03-01`, or with all events."""
    as_of = None if day is None else Zone("UTC").end_of(date.fromisoformat(day))
    today = datetime(2026, 11, 27, tzinfo=UTC)
    return build_case(target, recorded(deliveries), as_of=as_of, day=(as_of or today).date())


def question_of(
    deliveries: Sequence[Delivery], target: Target, day: str | None, who: Person = MARA
) -> Question:
    """Ask, with the names above."""
    zone = Zone("UTC")
    on = None if day is None else date.fromisoformat(day)
    return Question(
        case=case_of(deliveries, target, day),
        person=who,
        names=NAMES,
        zone=zone,
        day=None if on is None else zone.day_text(on),
        as_of=None if on is None else zone.end_of(on),
    )


def verdict_of(
    deliveries: Sequence[Delivery], target: Target, day: str | None, who: Person = MARA
) -> Verdict:
    """Answer, with the names above."""
    return verdict(question_of(deliveries, target, day, who))
