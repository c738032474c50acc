"""The page of all events of a customer, as they were received."""

from __future__ import annotations

import msgspec
from attrs import frozen
from starlette.responses import Response

from projector.errors import BadCursor
from projector.facts.codec import decode_body
from projector.facts.events import CustomerFact
from projector.queries.customer_events import CustomerEvent, find_events
from projector.queries.story.events import state_what
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages.subject import Subject, find_subject
from projector.server.console.words import story_words
from projector.text import paging

#: The most events on a page, and the most characters of their bodies.
LIMIT = 20
CHARACTERS_MAX = 48_000


@frozen(kw_only=True)
class RawEvent:
    """An event with its body."""

    event: CustomerEvent
    text: str
    body: str
    #: Whether the body is cut because it is too long for a page.
    is_cut: bool
    late: str | None


def pretty(body: str) -> str:
    """Return JSON with line breaks; a text that is not valid JSON as it is."""
    try:
        return msgspec.json.format(body.encode("utf-8", "surrogatepass"), indent=2).decode()
    except (ValueError, RecursionError):
        return body.encode("utf-8", "replace").decode()


def _show(visit: Visit) -> Page | Response:
    about = find_subject(visit)
    if isinstance(about, Page):
        return about
    after = visit.parameter("after")
    try:
        page = find_events(
            visit.database,
            about.key.customer_id,
            project_id=about.key.project_id,
            after=after,
            limit=LIMIT,
        )
    except BadCursor:
        page = find_events(
            visit.database, about.key.customer_id, project_id=about.key.project_id, limit=LIMIT
        )
    at_once = story_words.came_at_once([each.received_at for each in page.events])
    events: list[RawEvent] = []
    left, following = CHARACTERS_MAX, page.next
    for each in page.events:
        body = pretty(each.body)
        if events and len(body) > left:
            following = paging.to_cursor((events[-1].event.position,))
            break
        events.append(_raw(about, each, body, at_once))
        left -= len(body)
    return Page(
        template="customer_events.html",
        values={"about": about, "events": events, "next": following, "is_first": after is None},
    )


def _raw(about: Subject, event: CustomerEvent, body: str, at_once: bool) -> RawEvent:
    fact = decode_body(event.type, event.source, event.body, is_nameless=False)
    stated = state_what(fact if isinstance(fact, CustomerFact) else None)
    lateness = (event.received_at - event.occurred_at).total_seconds()
    is_late = lateness > story_words.LATE_SECONDS
    return RawEvent(
        event=event,
        text=story_words.event_text(event.type, stated, about.names),
        body=body[:CHARACTERS_MAX],
        is_cut=len(body) > CHARACTERS_MAX,
        late=story_words.duration(lateness) if is_late and not at_once else None,
    )


PAGES = (PageRoute(path="/customers/{project}/{id}/events", name="consoleEvents", run=_show),)
