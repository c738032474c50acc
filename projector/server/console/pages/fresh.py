"""The part of every page that says whether the tables are up to date."""

from __future__ import annotations

from projector.server.console.page import Page, PageRoute, Visit


def _show(_visit: Visit) -> Page:
    return Page(template="fresh.html", is_part=True)


PAGES = (PageRoute(path="/parts/fresh", name="consoleFresh", run=_show),)
