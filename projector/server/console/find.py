"""The first page: find a customer."""

from __future__ import annotations

from projector.server.console.page import Page, PageRoute, Visit


def _show(visit: Visit) -> Page:
    return Page(template="find.html", values={"q": visit.parameter("q")})


PAGES = (PageRoute(path="/", name="consoleFind", run=_show),)
