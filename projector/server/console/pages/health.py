"""The page Health: is it us or Voucherify, and what to do next."""

from __future__ import annotations

from typing import Any

from projector.facts.registry import facts
from projector.projections.rebuilding import SHADOW
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.pages.health_feeds import type_rows
from projector.server.console.pages.health_problems import find_problems
from projector.server.console.words.reasons import quarantine_reason, table_title

#: Why webhooks were refused, by the code of the error.
_REFUSED = {
    "signature_wrong": "Wrong signature",
    "body_too_large": "Larger than 1 MB",
    "body_too_slow": "Came too slowly",
    "body_corrupt": "Damaged on its way",
    "encoding_unknown": "Compressed in an unknown way",
    "client_gone": "Broke off",
    "overloaded": "The server was busy",
    "stopping": "The server was stopping",
}


def _show(visit: Visit) -> Page:
    return Page(template="health.html", values=_values(visit))


def _part(visit: Visit) -> Page:
    return Page(template="health_part.html", values=_values(visit), is_part=True)


def _values(visit: Visit) -> dict[str, Any]:
    operations = visit.context.operations.read(visit.zone.name)
    feeds = operations.feeds.feeds
    status = operations.status
    return {
        "operations": operations,
        "problems": find_problems(operations),
        "last_at": max((each.last_at for each in feeds), default=None),
        "types": type_rows(feeds, facts()),
        "dead_letters": operations.dead_letters,
        "quarantined": sum(status.quarantine.values()),
        "tables": [
            (each, table_title(each.name))
            for each in status.projections
            if not each.name.endswith(SHADOW)
        ],
        "reasons": [
            (code, quarantine_reason(code).title, count)
            for code, count in sorted(status.quarantine.items(), key=lambda each: -each[1])
        ],
        "refused": [
            (_REFUSED.get(each.code) or each.code.replace("_", " ").capitalize(), each)
            for each in operations.refused
        ],
    }


PAGES = (
    PageRoute(path="/operations", name="consoleHealth", run=_show),
    PageRoute(path="/parts/health", name="consoleHealthPart", run=_part),
)
