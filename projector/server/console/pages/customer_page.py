"""The page of one customer: identity, state on a day, lanes, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from starlette.responses import RedirectResponse, Response

from projector.projections.groups import GroupKind
from projector.queries.customer_state import CustomerState, CustomerTier
from projector.queries.customers import find_keys
from projector.queries.story.events import StoryEvent
from projector.queries.story.results import Timeline
from projector.queries.story.timeline import find_timeline
from projector.queries.why.case import Target
from projector.server.console.charts import lanes
from projector.server.console.charts.customer_lanes import LaneMaker
from projector.server.console.links import customer_path
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages import subject
from projector.server.console.pages.check import RECONCILE_PATH, find_check
from projector.server.console.pages.subject import Subject, find_subject, read_state
from projector.server.console.words import story_words, trust_words
from projector.server.console.words.story_words import Line

#: The number of events in the story of the page.
EVENTS = 12

#: The most chips of segments.
_CHIPS_MAX = 40


@frozen(kw_only=True)
class StoryItem:
    """An event in the story, or the day that is asked about."""

    occurred_at: datetime
    #: None for the day.
    line: Line | None
    is_later: bool = False
    #: The position of a dead letter.
    dead_letter: int | None = None


def _show(visit: Visit) -> Page | Response:
    about = find_subject(visit)
    if isinstance(about, Page):
        return about
    timeline = (
        find_timeline(
            visit.database,
            about.key.customer_id,
            project_id=about.key.project_id,
            at_position=about.moment.at_position,
            limit=EVENTS,
        )
        if about.state is not None
        else None
    )
    state = about.state
    if about.moment.as_of is not None:
        state = read_state(visit.database, about.key, about.moment.point)
    return Page(
        template="customer.html",
        values={
            "about": about,
            "state": state,
            "timeline": timeline,
            "tiers": () if state is None else [_tier(about, each) for each in state.tiers],
            "segments_shown": _CHIPS_MAX,
            "trust": _trust(visit, about, state, timeline),
            "check": find_check(visit, about),
            "reconcile_path": RECONCILE_PATH,
            "what": preset(about, state, timeline),
            "chart": None if timeline is None else _chart(visit, about, timeline),
            "story": [] if timeline is None else _story(about, timeline.events),
            "read_at": None if timeline is None else _read_at(timeline.events),
        },
    )


@frozen(kw_only=True)
class _TierFact:
    """A tier among the facts."""

    campaign: str
    name: str
    colour: str
    tier: CustomerTier
    why: str


def _tier(about: Subject, tier: CustomerTier) -> _TierFact:
    target = Target(kind=GroupKind.TIER, campaign_id=tier.campaign_id, group_id=tier.tier_id)
    return _TierFact(
        campaign=about.names.campaign(tier.campaign_id, tier.campaign_name) or tier.campaign_id,
        name=about.names.tier(tier.campaign_id, tier.tier_id, tier.name),
        colour=about.tier_classes.get((tier.campaign_id, tier.tier_id), "tier-3"),
        tier=tier,
        why=about.why(target, about.moment.on),
    )


def _trust(
    visit: Visit, about: Subject, state: CustomerState | None, timeline: Timeline | None
) -> trust_words.Trust | None:
    if state is None or timeline is None:
        return None
    return trust_words.of_state(
        state,
        about.person,
        about.names,
        visit.zone,
        event_count=timeline.event_count if about.moment.on is None else None,
        dead_letters=[each.position for each in timeline.dead_letters],
    )


def preset(about: Subject, state: CustomerState | None, timeline: Timeline | None) -> str | None:
    """Return what is asked at first.

    The tier that was lost last, or else the highest one that the customer is not on, or the first
    thing that can be asked.
    """
    held = {(each.campaign_id, each.tier_id) for each in (() if state is None else state.tiers)}
    lost = [
        row
        for row in (() if timeline is None else timeline.tiers)
        if row.valid_to is not None and (row.campaign_id, row.tier_id) not in held
    ]
    if lost:
        last = max(lost, key=lambda row: (row.valid_to, row.period))
        return _value(about, last.campaign_id, last.tier_id)
    options = [each for _, some in about.options for each in some]
    others = [
        each
        for each in options
        if (each.target.campaign_id or "", each.target.group_id) not in held
    ]
    return next((each.value for each in [*others, *options]), None)


def _value(about: Subject, campaign_id: str, tier_id: str) -> str | None:
    return next(
        (
            each.value
            for _, some in about.options
            for each in some
            if (each.target.campaign_id, each.target.group_id) == (campaign_id, tier_id)
        ),
        None,
    )


def _chart(visit: Visit, about: Subject, timeline: Timeline) -> dict[str, object] | None:
    maker = LaneMaker(
        names=about.names, tier_classes=about.tier_classes, zone=visit.zone, why=about.why
    )
    made = maker.make(timeline)
    if not made.lanes:
        return None
    svg = lanes.lanes_chart(
        made.lanes,
        zone=visit.zone,
        now=visit.now,
        chosen=about.moment.as_of,
        name=f"Tiers and segments of {about.person.full} over time",
        description="A bar for each period; the same stands in the table below.",
    )
    return {
        "svg": svg,
        "periods": made.periods,
        "left_out": made.left_out,
        "is_cut": made.is_cut,
        "has_losses": bool(timeline.losses),
        "has_doubts": any(each.uncertain for each in timeline.losses),
    }


def _story(about: Subject, events: Sequence[StoryEvent]) -> list[StoryItem]:
    as_of = about.moment.as_of
    at_once = story_words.came_at_once([each.received_at for each in events])
    items = []
    is_marked = as_of is None
    for each in events:
        is_later = as_of is not None and each.occurred_at > as_of
        if as_of is not None and not is_marked and not is_later:
            items.append(StoryItem(occurred_at=as_of, line=None))
            is_marked = True
        items.append(
            StoryItem(
                occurred_at=each.occurred_at,
                line=_line(about, each, at_once),
                is_later=is_later,
                dead_letter=None if each.reason is None else each.position,
            )
        )
    return items


def _read_at(events: Sequence[StoryEvent]) -> datetime | None:
    """Return when the events reached us, if they all came at once; else None."""
    received = [each.received_at for each in events]
    return max(received) if story_words.came_at_once(received) else None


def _line(about: Subject, event: StoryEvent, at_once: bool) -> Line:
    return story_words.line(
        event.type,
        event.stated,
        event.effect,
        lateness_seconds=None if at_once else event.lateness_seconds,
        duplicates=event.duplicates,
        names=about.names,
        tier_classes=about.tier_classes,
    )


def _choose(visit: Visit) -> Page | Response:
    """Go to the customer with an id; let choose if several projects have it."""
    identifier = visit.ids["id"]
    with visit.database.reading() as connection:
        keys = find_keys(connection, identifier, None, False)
    if not keys:
        return subject.unknown(visit.database, identifier)
    if len(keys) == 1:
        return RedirectResponse(customer_path(keys[0]), 303)
    choices = [(each.project_id, customer_path(each)) for each in keys]
    values = {"identifier": identifier, "choices": choices}
    return Page(template="customer_choice.html", values=values)


PAGES = (
    PageRoute(path="/customers/{id}", name="consoleChoose", run=_choose),
    PageRoute(path="/customers/{project}/{id}", name="consoleCustomer", run=_show),
)
