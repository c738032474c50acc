"""The page of the event log: its end, or any part of it."""

from __future__ import annotations

from urllib.parse import urlencode

from projector.facts.registry import facts
from projector.queries.log_position import find_position
from projector.queries.log_tail import SCANNED_MAX, read_log_page
from projector.server.console import zones
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages.customer_names import names_of
from projector.server.endpoints.shared import number_in
from projector.store.erasure import counts

PATH = "/console/operations/log"

PAGE_EVENTS = 50


def _list(visit: Visit) -> Page:
    type_ = visit.parameter("type")
    before = _before(visit)
    page = read_log_page(visit.database, type_=type_, before=before, limit=PAGE_EVENTS)
    types = sorted(facts())
    if type_ is not None and type_ not in types:
        types.append(type_)
    values = {
        "page": page,
        "names": names_of(visit.database, [each.customer_id for each in page.events]),
        "type": type_,
        "types": types,
        "before": before,
        "erased": _count_erased(visit),
        "at": visit.parameter("at"),
        "position": visit.parameter("position"),
        "scanned": SCANNED_MAX,
        "next": None if page.next is None else _url(type_, page.next),
        "newest": _url(type_, None),
    }
    return Page(template="event_log.html", values=values)


def _count_erased(visit: Visit) -> int:
    with visit.database.reading() as connection:
        return counts.read(connection).events


def _before(visit: Visit) -> int | None:
    """Return the position before which the page begins; None for the end of the log.

    `before` is that position, `position` is the first one on the page, and `at` is the time by
    which that one was received.
    """
    position = number_in(visit.parameter("position") or "")
    if position is not None:
        return position + 1
    local = zones.parse_local(visit.parameter("at"))
    if local is not None:
        return find_position(visit.database, visit.zone.instant(local)).at_position + 1
    return number_in(visit.parameter("before") or "")


def _url(type_: str | None, before: int | None) -> str:
    parameters = {
        name: value for name, value in (("type", type_), ("before", before)) if value is not None
    }
    return PATH + (f"?{urlencode(parameters)}" if parameters else "")


PAGES = (PageRoute(path="/operations/log", name="consoleLog", run=_list),)
