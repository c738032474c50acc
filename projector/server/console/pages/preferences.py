"""The theme and the time zone of a browser."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from projector.server.console import cookies
from projector.server.console.page import Page, PageRoute, Visit
from projector.server.console.sign_in import target
from projector.server.console.zones import is_zone, names


def _show(visit: Visit) -> Page | Response:
    if visit.method == "GET":
        return Page(template="preferences.html", values={"zones": names(), "next": target(visit)})
    response = RedirectResponse(target(visit), 303)
    theme, zone = visit.form.get("theme"), visit.form.get("zone")
    if theme is not None:
        known = theme if theme in cookies.THEMES else None
        response.headers.append("set-cookie", cookies.theme(known))
    if zone is not None:
        known = zone if is_zone(zone) else None
        response.headers.append("set-cookie", cookies.zone(known))
    return response


PAGES = (
    PageRoute(path="/preferences", name="consolePreferences", run=_show, methods=("GET", "POST")),
)
