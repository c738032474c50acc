"""Pages of the dead letters: the events that could not be folded, one of them, and trying again."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from projector.errors import DeadLetterNotFound
from projector.operate.dead_letters import show_dead_letter
from projector.operate.tokens import Scope
from projector.queries.put_aside import BEGINNING, newest_failures
from projector.server.actions import start
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages.customer_names import names_of
from projector.server.console.pages.quarantine import BODY_BYTES, LIST_BODY_BYTES, PAGE_ENTRIES
from projector.server.console.words import raw_text
from projector.server.console.words.reasons import failure_reason, table_title
from projector.server.endpoints.shared import number_in
from projector.server.job_requests import DeadLetterRetryRequest

PATH = "/console/operations/dead-letters"
RETRY_PATH = f"{PATH}/retry"


def _list(visit: Visit) -> Page:
    projection = visit.parameter("projection")
    after = number_in(visit.parameter("after") or "")
    page = newest_failures(visit.database, projection=projection, after=after, limit=PAGE_ENTRIES)
    rows = [
        {
            "event": each.event,
            "failures": each.failures,
            "reason": failure_reason(each.failures[0].reason),
            "body": raw_text.raw(
                each.beginning,
                is_whole=len(each.beginning) < BEGINNING,
                bytes_max=LIST_BODY_BYTES,
            ),
        }
        for each in page.events
    ]
    total = sum(page.counts.values())
    values = {
        "rows": rows,
        "names": names_of(visit.database, [each.event.customer_id for each in page.events]),
        "projection": projection,
        "title_of": table_title,
        "counts": page.counts,
        "total": total,
        "waiting": page.counts.get(projection, 0) if projection else total,
        "next": None if page.next is None else _url(projection, page.next),
        "is_first": after is None,
        "first": _url(projection, None),
        "url_of": lambda name: _url(name, None),
        "retry_query": f"?{urlencode({'projection': projection})}" if projection else "",
        "retry_path": RETRY_PATH,
    }
    return Page(template="dead_letters.html", values=values)


def _show(visit: Visit) -> Page:
    position = number_in(visit.ids["id"])
    if position is None:
        raise DeadLetterNotFound(position=visit.ids["id"])
    letter = show_dead_letter(visit.database, position)
    values = {
        "letter": letter,
        "names": names_of(visit.database, [letter.customer_id]),
        "reason": failure_reason(letter.failures[0].reason),
        "body": raw_text.raw(letter.body, is_whole=True, bytes_max=BODY_BYTES),
        "title_of": table_title,
        "retry_path": RETRY_PATH,
    }
    return Page(template="dead_letter.html", values=values)


def _retry(visit: Visit) -> Page | Response:
    """Ask how many first, or do it."""
    if visit.method == "GET":
        return _confirm(visit)
    job = start(visit.context, _request(visit), visit.visitor.name if visit.visitor else "")
    return RedirectResponse(f"/console/operations/jobs/{job.job_id}", 303)


def _confirm(visit: Visit) -> Page:
    projection = visit.parameter("projection")
    page = newest_failures(visit.database, projection=projection, after=None, limit=1)
    counts = page.counts
    values = {
        "count": counts.get(projection, 0) if projection else sum(counts.values()),
        "projection": projection,
        "title": table_title(projection) if projection else None,
        "retry_path": RETRY_PATH,
        "back": _url(projection, None),
    }
    return Page(template="dead_letters_retry.html", values=values)


def _request(visit: Visit) -> DeadLetterRetryRequest:
    chosen: dict[str, Any] = {"all": True}
    if "position" in visit.form:
        position = number_in(visit.form["position"])
        if position is None:
            raise DeadLetterNotFound(position=visit.form["position"])
        chosen = {"positions": (position,)}
    elif visit.form.get("projection"):
        chosen = {"projection": visit.form["projection"]}
    return DeadLetterRetryRequest(**chosen)


def _url(projection: str | None, after: int | None) -> str:
    parameters = {
        name: value
        for name, value in (("projection", projection), ("after", after))
        if value is not None
    }
    return PATH + (f"?{urlencode(parameters)}" if parameters else "")


PAGES = (
    PageRoute(path="/operations/dead-letters", name="consoleDeadLetters", run=_list),
    PageRoute(
        path="/operations/dead-letters/retry",
        name="consoleDeadLettersRetry",
        run=_retry,
        methods=("GET", "POST"),
        scope=Scope.ADMIN,
    ),
    PageRoute(path="/operations/dead-letters/{id}", name="consoleDeadLetter", run=_show),
)
