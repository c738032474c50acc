"""The page that answers whether a customer was in a segment or on a tier on a day, and why."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from starlette.responses import Response

from projector.queries.story.cases import find_case
from projector.queries.story.events import state_what
from projector.queries.story.timeline import WHOLE_MAX, find_timeline
from projector.queries.why.case import Case, CaseStep
from projector.queries.why.steps import Effect
from projector.server.console.links import to_what
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages.customer_page import preset
from projector.server.console.pages.events_page import pretty
from projector.server.console.pages.subject import Subject, find_subject
from projector.server.console.words import story_words, trust_words
from projector.server.console.words.question import Question
from projector.server.console.words.story_words import Line
from projector.server.console.words.verdict_words import verdict
from projector.store import log
from projector.store.database import Database

#: The most events before the day and after it, and the most characters of their bodies.
BEFORE_MAX, AFTER_MAX = 30, 10
CHARACTERS_MAX = 40_000


@frozen(kw_only=True)
class Evidence:
    """An event in the story of an answer, or the day that is asked about."""

    occurred_at: datetime
    #: None for the day.
    line: Line | None
    is_later: bool = False
    is_deciding: bool = False
    position: int | None = None
    type: str | None = None
    event_id: str | None = None
    dead_letter: int | None = None
    #: The JSON, or None if the page has no room for it.
    body: str | None = None


def _show(visit: Visit) -> Page | Response:
    about = find_subject(visit)
    if isinstance(about, Page):
        return about
    what = visit.parameter("what")
    target = about.find_target(what if what is not None else _preset(visit, about))
    values: dict[str, object] = {
        "about": about,
        "target": target,
        "what": None if target is None else to_what(target),
        "events_max": WHOLE_MAX,
        "case": None,
    }
    case = None
    if target is not None:
        case = find_case(
            visit.database,
            about.key,
            target,
            as_of=about.moment.as_of,
            at_position=about.moment.at_position,
        )
    if case is not None and target is not None:
        values |= _answer(visit, about, case)
    return Page(template="why.html", values=values)


def _preset(visit: Visit, about: Subject) -> str | None:
    timeline = None
    if about.state is not None:
        timeline = find_timeline(
            visit.database,
            about.key.customer_id,
            project_id=about.key.project_id,
            at_position=about.moment.at_position,
            limit=1,
        )
    return preset(about, about.state, timeline)


def _answer(visit: Visit, about: Subject, case: Case) -> dict[str, object]:
    on = about.moment.on
    question = Question(
        case=case,
        person=about.person,
        names=about.names,
        zone=visit.zone,
        day=None if on is None else visit.zone.day_text(on),
        as_of=about.moment.as_of,
    )
    story, hidden_before, hidden_after = _story(visit, about, case)
    return {
        "case": case,
        "question": question,
        "verdict": verdict(question),
        "trust": trust_words.of_case(case, about.person),
        "story": story,
        "hidden_before": hidden_before,
        "hidden_after": hidden_after,
    }


def _story(visit: Visit, about: Subject, case: Case) -> tuple[list[Evidence], int, int]:
    """Return the story, and the numbers of events that it leaves out before and after."""
    before = [each for each in case.steps if each.is_before]
    after = [each for each in case.steps if not each.is_before]
    shown = before[-BEFORE_MAX:]
    deciding = case.deciding
    if deciding is not None and deciding.is_before and not _has(shown, deciding):
        shown = [deciding, *shown]
    later = after[:AFTER_MAX]
    if deciding is not None and not deciding.is_before and not _has(later, deciding):
        later = [*later, deciding]
    bodies = _bodies(visit.database, [*shown, *later], deciding)
    day = visit.now if about.moment.as_of is None else about.moment.as_of
    at_once = story_words.came_at_once([each.step.received_at for each in case.steps])
    told = [_evidence(about, each, deciding, bodies, at_once) for each in [*shown, *later]]
    the_day = Evidence(occurred_at=day, line=None)
    story = [*told[: len(shown)], the_day, *told[len(shown) :]]
    return story, len(before) - len(shown), len(after) - len(later)


def _has(steps: Sequence[CaseStep], step: CaseStep) -> bool:
    return any(each.step.position == step.step.position for each in steps)


def _bodies(
    database: Database, steps: Sequence[CaseStep], deciding: CaseStep | None
) -> dict[int, str]:
    """Return the bodies by position, as far as a page has room: the deciding one first."""
    with database.reading() as connection:
        events = log.read_at(connection, [each.step.position for each in steps])
    by_position = {each.position: each.body for each in events}
    first = [] if deciding is None else [deciding]
    left, found = CHARACTERS_MAX, {}
    for each in [*first, *reversed(steps)]:
        position = each.step.position
        body = pretty(by_position.get(position, ""))
        if position not in found and len(body) <= left:
            found[position] = body
            left -= len(body)
    return found


def _evidence(
    about: Subject,
    each: CaseStep,
    deciding: CaseStep | None,
    bodies: dict[int, str],
    at_once: bool,
) -> Evidence:
    step = each.step
    return Evidence(
        occurred_at=step.occurred_at,
        line=story_words.line(
            step.type,
            state_what(each.fact),
            step.effect,
            lateness_seconds=None if at_once else step.lateness_seconds,
            duplicates=step.duplicates,
            names=about.names,
            tier_classes=about.tier_classes,
        ),
        is_later=not each.is_before,
        is_deciding=deciding is not None and step.position == deciding.step.position,
        position=step.position,
        type=step.type,
        event_id=step.event_id,
        dead_letter=step.position if step.effect is Effect.DEAD_LETTER else None,
        body=bodies.get(step.position),
    )


PAGES = (PageRoute(path="/customers/{project}/{id}/why", name="consoleWhy", run=_show),)
