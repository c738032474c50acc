"""What the console is for, as stories: found by role and label, as a reader finds it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.console.conftest import DESK, PHONE, Open
from tests.support.shop import MARA, PROJECT

Where = dict[str, Any]

#: On a desk and on a phone, light and dark, with and without JavaScript.
_EVERYWHERE = pytest.mark.parametrize(
    "where",
    [
        {"width": DESK, "theme": "light"},
        {"width": DESK, "theme": "dark", "javascript": False},
        {"width": PHONE, "theme": "dark"},
        {"width": PHONE, "theme": "light", "javascript": False},
    ],
    ids=["desk", "desk-no-script", "phone", "phone-no-script"],
)


def _find(page: Page, text: str) -> None:
    page.get_by_label("Name, e-mail or customer number").first.fill(text)
    page.get_by_role("button", name="Find", exact=True).click()


@_EVERYWHERE
def test_why_was_mara_not_gold_on_the_first_of_march(open_page: Open, where: Where) -> None:
    with open_page(**where) as visit:
        page = visit.page
        _find(page, "mara l")
        page.get_by_role("link", name="Mara Lindqvist").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Mara Lindqvist")
        expect(page.get_by_text("Silver was to end on 20 May 2026")).to_be_visible()
        page.get_by_label("Was Mara", exact=True).select_option(label="on Gold")
        page.locator("form.ask input[type=date]").fill("2026-03-01")
        page.get_by_role("button", name="Explain").click()
        expect(page.locator(".verdict")).to_contain_text(
            "No. On 1 March 2026 Mara Lindqvist was on Silver, not on Gold. "
            "Gold had ended on 20 November 2025, when Mara was downgraded to Silver."
        )
        expect(page.get_by_text("Nothing is known to be missing.")).to_be_visible()
        expect(page.get_by_text("this is why")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", level=1)).to_have_text("Mara Lindqvist")


@_EVERYWHERE
def test_what_a_lost_delivery_hides_is_not_said_to_be_known(open_page: Open, where: Where) -> None:
    with open_page(**where) as visit:
        page = visit.page
        _find(page, "shop-0952")
        expect(page.get_by_role("heading", level=1)).to_have_text("Priya Nair")
        expect(page.get_by_text("could not be read, so this page may be wrong")).to_be_visible()
        page.get_by_label("Was Priya", exact=True).select_option(label="on Gold")
        page.locator("form.ask input[type=date]").fill("2025-05-01")
        page.get_by_role("button", name="Explain").click()
        expect(page.locator(".verdict")).to_contain_text("We cannot tell.")
        expect(page.locator(".verdict")).to_contain_text("12 May 2025")


@_EVERYWHERE
def test_who_was_in_a_segment_and_how_did_it_grow(open_page: Open, where: Where) -> None:
    with open_page(**where) as visit:
        page = visit.page
        page.get_by_role("link", name="Segments", exact=True).first.click()
        page.get_by_role("link", name="Espresso lovers").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Espresso lovers")
        expect(page.get_by_role("heading", name="Members over time")).to_be_visible()
        page.get_by_label("on", exact=True).fill("2025-06-01")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_role("link", name="Mara Lindqvist")).to_be_visible()


@_EVERYWHERE
def test_is_it_us_or_voucherify(open_page: Open, where: Where) -> None:
    with open_page(**where) as visit:
        page = visit.page
        page.get_by_role("link", name="Health").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Health")
        expect(page.get_by_role("row", name=re.compile(r"segment\.entered"))).to_be_visible()
        page.get_by_role("link", name=re.compile("^Quarantine")).first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Quarantine")
        # Who may only read sees no button that changes something.
        expect(page.get_by_role("button", name=re.compile("again"))).to_have_count(0)


def test_a_question_is_asked_and_answered_by_keyboard_alone(open_page: Open) -> None:
    with open_page("/console/preferences") as visit:
        page = visit.page
        page.keyboard.press("/")
        page.keyboard.type("mara l")
        page.keyboard.press("Enter")
        link = page.get_by_role("link", name="Mara Lindqvist")
        expect(link).to_be_visible()
        _tab_to(page, "Mara Lindqvist")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Mara Lindqvist")
        _tab_to(page, "Explain")
        page.keyboard.press("Enter")
        expect(page.locator(".verdict")).to_be_visible()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches(':focus-visible')")


def _tab_to(page: Page, text: str) -> None:
    """Press Tab until an element with this text has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText ?? ''").strip() == text:
            return
    raise AssertionError(f"{text} cannot be reached by Tab")


@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_the_theme_is_kept(open_page: Open, width: int) -> None:
    with open_page(width=width) as visit:
        page = visit.page
        page.get_by_role("button", name="Dark theme").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        page.goto(f"{visit.url}/console/segments")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_the_answer_can_be_copied_and_printed(open_page: Open) -> None:
    path = (
        f"/console/customers/{PROJECT}/{MARA}/why"
        "?what=tier:camp_BeanClub9sJq3XvTz7RmKd5Wf:ltr_0f3b61a7c2d94e5b12&on=2026-03-01"
    )
    with open_page(path) as visit:
        page = visit.page
        page.get_by_role("button", name="Copy the answer").click()
        expect(page.get_by_role("status")).to_have_text("The answer is copied")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("No. On 1 March 2026 Mara Lindqvist was on Silver")
        page.emulate_media(media="print")
        expect(page.get_by_text("The log was at position")).to_be_visible()
        expect(page.get_by_role("navigation", name="Pages")).to_be_hidden()
        assert page.pdf(format="A4")[:5] == b"%PDF-"


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
def test_the_parts_of_a_page_are_polled_and_a_lost_connection_is_shown(open_page: Open) -> None:
    with open_page() as visit:
        page = visit.page
        page.clock.install()
        page.reload()
        with page.expect_response(re.compile("/console/parts/fresh")):
            page.clock.run_for(6_000)
        expect(page.get_by_text("Connection lost")).to_be_hidden()
        visit.page.context.set_offline(True)
        page.clock.run_for(6_000)
        expect(page.get_by_text("Connection lost")).to_be_visible()
        visit.page.context.set_offline(False)
        page.clock.run_for(6_000)
        expect(page.get_by_text("Connection lost")).to_be_hidden()
        visit.console = [each for each in visit.console if "ERR_INTERNET_DISCONNECTED" not in each]


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
def test_a_chart_is_read_by_arrow_keys(open_page: Open) -> None:
    path = f"/console/segments/seg_Espresso7Gm3PvKz9WqTb2Nd?project={PROJECT}"
    with open_page(path) as visit:
        page = visit.page
        chart = page.locator("[data-points]").first
        chart.focus()
        label = chart.locator("[data-label]")
        expect(label).to_contain_text("members")
        last = label.inner_text()
        page.keyboard.press("ArrowLeft")
        expect(label).not_to_have_text(last)
        page.keyboard.press("End")
        expect(label).to_have_text(last)


@pytest.mark.parametrize("shared_database", ["sqlite"], indirect=True)
def test_a_link_in_a_chat_leads_to_the_page(open_page: Open) -> None:
    """The cookie is not sent with a request that another site began; the page asks again."""
    with open_page() as visit:
        page = visit.page
        page.goto(f"data:text/html,<a href='{visit.url}/console/preferences'>look</a>")
        page.get_by_role("link", name="look").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Preferences")
