"""Pages of the quarantine: the deliveries that wait, one of them, and trying them again."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from projector.errors import QuarantineEntryNotFound
from projector.operate.quarantine import show_entry
from projector.operate.tokens import Scope
from projector.queries.put_aside import BEGINNING, newest_deliveries
from projector.server.actions import start
from projector.server.console import zones
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.words import raw_text
from projector.server.console.words.reasons import REASONS, detail, quarantine_reason
from projector.server.endpoints.shared import number_in
from projector.server.job_requests import QuarantineRetryRequest
from projector.store import quarantine
from projector.text.instants import to_text

PATH = "/console/operations/quarantine"
RETRY_PATH = f"{PATH}/retry"

#: The entries on a page, and the bytes of a body that are shown in a list and alone.
PAGE_ENTRIES = 20
LIST_BODY_BYTES = 1_600
BODY_BYTES = 40_000


def _list(visit: Visit) -> Page:
    reason = visit.parameter("reason")
    after = number_in(visit.parameter("after") or "")
    page = newest_deliveries(visit.database, reason=reason, after=after, limit=PAGE_ENTRIES)
    rows = [
        {
            "entry": each.entry,
            "reason": quarantine_reason(each.entry.reason),
            "body": raw_text.raw(
                each.beginning,
                is_whole=len(each.beginning) < BEGINNING,
                bytes_max=LIST_BODY_BYTES,
            ),
        }
        for each in page.deliveries
    ]
    counts = {code: page.counts[code] for code in _sorted(page.counts)}
    values = {
        "rows": rows,
        "detail_of": detail,
        "reason": reason,
        "title_of": lambda code: quarantine_reason(code).title,
        "counts": counts,
        "total": sum(counts.values()),
        "waiting": counts.get(reason, 0) if reason else sum(counts.values()),
        "next": None if page.next is None else _url(reason, page.next),
        "is_first": after is None,
        "first": _url(reason, None),
        "url_of": lambda code: _url(code, None),
        "retry_query": f"?{urlencode({'reason': reason})}" if reason else "",
        "retry_path": RETRY_PATH,
    }
    return Page(template="quarantine.html", values=values)


def _show(visit: Visit) -> Page:
    number = number_in(visit.ids["id"])
    if number is None:
        raise QuarantineEntryNotFound(quarantine_id=visit.ids["id"])
    entry = show_entry(visit.database, number)
    body = entry.body if entry.body is not None else base64.b64decode(entry.body_base64 or "")
    values = {
        "entry": entry,
        "detail_of": detail,
        "reason": quarantine_reason(entry.reason),
        "body": raw_text.raw(body, is_whole=True, bytes_max=BODY_BYTES),
        "retry_path": RETRY_PATH,
    }
    return Page(template="quarantine_entry.html", values=values)


def _retry(visit: Visit) -> Page | Response:
    """Ask how many first, or do it."""
    if visit.method == "GET":
        return _confirm(visit)
    job = start(visit.context, _request(visit), visit.visitor.name if visit.visitor else "")
    return RedirectResponse(f"/console/operations/jobs/{job.job_id}", 303)


def _confirm(visit: Visit) -> Page:
    reason = visit.parameter("reason")
    with visit.database.reading() as connection:
        counts = quarantine.counts(connection)
    count = counts.get(reason, 0) if reason else sum(counts.values())
    values = {
        "count": count,
        "reason": reason,
        "title": quarantine_reason(reason).title if reason else None,
        "has_fields": any(
            quarantine_reason(each).has_fields for each in ([reason] if reason else counts)
        ),
        "retry_path": RETRY_PATH,
        "back": _url(reason, None),
    }
    return Page(template="quarantine_retry.html", values=values)


def _request(visit: Visit) -> QuarantineRetryRequest:
    form = {name: text.strip() for name, text in visit.form.items()}
    number = number_in(form.get("id", ""))
    chosen: dict[str, Any] = {"all": True}
    if "id" in form:
        if number is None:
            raise QuarantineEntryNotFound(quarantine_id=form["id"])
        chosen = {"ids": (number,)}
    elif form.get("reason"):
        chosen = {"reason": form["reason"]}
    local = zones.parse_local(form.get("occurred_at"))
    return QuarantineRetryRequest(
        **chosen,
        project=form.get("project") or None,
        type=form.get("type") or None,
        customer=form.get("customer") or None,
        occurred_at=None if local is None else to_text(visit.zone.instant(local)),
    )


def _sorted(counts: dict[str, int]) -> list[str]:
    """Return the reasons, known ones in the order of the table of words."""
    known = [each for each in REASONS if each in counts]
    return [*known, *(each for each in counts if each not in REASONS)]


def _url(reason: str | None, after: int | None) -> str:
    parameters = {
        name: value for name, value in (("reason", reason), ("after", after)) if value is not None
    }
    return PATH + (f"?{urlencode(parameters)}" if parameters else "")


PAGES = (
    PageRoute(path="/operations/quarantine", name="consoleQuarantine", run=_list),
    PageRoute(
        path="/operations/quarantine/retry",
        name="consoleQuarantineRetry",
        run=_retry,
        methods=("GET", "POST"),
        scope=Scope.ADMIN,
    ),
    PageRoute(path="/operations/quarantine/{id}", name="consoleQuarantineEntry", run=_show),
)
