"""Every page in both themes, on a desk and a phone: accessible, no wider than the screen."""

import pytest

from tests.browser.console.conftest import DESK, PHONE, Open
from tests.support.accessibility import overflow, violations
from tests.support.shop import MARA, PRIYA, PROJECT, THEO

_BRONZE = "tier:camp_BeanClub9sJq3XvTz7RmKd5Wf:ltr_0f3b61a7c2d94e5b10"
_GOLD = "tier:camp_BeanClub9sJq3XvTz7RmKd5Wf:ltr_0f3b61a7c2d94e5b12"
_ESPRESSO = "seg_Espresso7Gm3PvKz9WqTb2Nd"
_CAMPAIGN = "camp_BeanClub9sJq3XvTz7RmKd5Wf"

#: Each page in each of its states, by name.
PAGES = {
    "find": "/console/",
    "found": "/console/?q=mar",
    "nobody": "/console/?q=nobody%20at%20all",
    "customer": f"/console/customers/{PROJECT}/{MARA}",
    "customer-then": f"/console/customers/{PROJECT}/{MARA}?on=2025-06-01",
    "customer-lost": f"/console/customers/{PROJECT}/{PRIYA}",
    "customer-late": f"/console/customers/{PROJECT}/{THEO}",
    "customer-unknown": f"/console/customers/{PROJECT}/nobody",
    "why": f"/console/customers/{PROJECT}/{MARA}/why?what={_GOLD}&on=2026-03-01",
    "why-cannot-tell": f"/console/customers/{PROJECT}/{PRIYA}/why?what={_GOLD}&on=2025-05-01",
    "events": f"/console/customers/{PROJECT}/{MARA}/events",
    "segments": "/console/segments",
    "segment": f"/console/segments/{_ESPRESSO}?project={PROJECT}",
    "tiers": "/console/tiers",
    "tier": f"/console/tiers/{_CAMPAIGN}?project={PROJECT}",
    "health": "/console/operations",
    "quarantine": "/console/operations/quarantine",
    "dead-letters": "/console/operations/dead-letters",
    "tables": "/console/operations/tables",
    "log": "/console/operations/log",
    "preferences": "/console/preferences",
}


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_is_accessible_and_fits_the_screen(
    open_page: Open, width: int, theme: str
) -> None:
    found = {}
    with open_page(width=width, theme=theme, scope="admin") as visit:
        for name, path in PAGES.items():
            visit.page.goto(visit.url + path)
            found[name] = [*violations(visit.page), *overflow(visit.page)]
        # The browser reports each answer that is an error; only these pages are meant to be one.
        visit.console = [each for each in visit.console if "404" not in each]
    wrong = [f"{name}: {each}" for name, flaws in found.items() for each in flaws]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pages_without_a_frame_are_accessible(open_page: Open, theme: str) -> None:
    for path in ("/console/login", "/console/nothing/here"):
        with open_page(path, theme=theme, scope=None) as visit:
            assert violations(visit.page) == []
            visit.console = [each for each in visit.console if "404" not in each]


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
def test_no_page_scrolls_sideways_at_400_per_cent(open_page: Open) -> None:
    """320 pixels are a desk at 400 %."""
    with open_page(width=320) as visit:
        for path in PAGES.values():
            visit.page.goto(visit.url + path)
            assert overflow(visit.page) == [], path
        visit.console = [each for each in visit.console if "404" not in each]
