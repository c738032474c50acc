"""Forms of the console: only its own pages can send them (CSRF)."""

from collections.abc import Callable

import pytest

from projector.server.console import form_tokens
from tests.support.console import Browser, Document, Form
from tests.support.http_client import Client

_PATH = "/console/preferences"


@pytest.fixture
def browser(client: Client) -> Browser:
    """A browser on this machine."""
    return Browser(client)


def _form(page: Document) -> Form:
    """The form that changes the theme, which every page has."""
    [found] = [each for each in page.forms if each.action == _PATH and "zone" not in each.fields]
    return found


def test_a_form_of_the_page_is_accepted(browser: Browser) -> None:
    page = browser.get("/console/")
    got = browser.submit(_form(page))
    assert (got.status, got.reply.headers["location"]) == (303, "/console/")
    assert browser.cookies["console_theme"] == "dark"
    assert ("html", "dark") in [
        (tag, found.get("data-theme")) for tag, found in browser.get("/console/").elements
    ]


def test_a_browser_that_names_the_origin_only_is_accepted(browser: Browser) -> None:
    form = _form(browser.get("/console/"))
    origin = f"http://127.0.0.1:{browser.client.port}"
    got = browser.submit(form, sec_fetch_site="", origin=origin)
    assert got.status == 303


def _without(form: Form) -> None:
    del form.fields["form_token"]


def _of_another_browser(form: Form) -> None:
    form.fields["form_token"] = form_tokens.make("0" * 64, _PATH)


def _broken(form: Form) -> None:
    form.fields["form_token"] = "nonsense"


def _changed(form: Form) -> None:
    token = form.fields["form_token"]
    form.fields["form_token"] = token[:-1] + ("0" if token[-1] != "0" else "1")


@pytest.mark.parametrize("spoil", [_without, _of_another_browser, _broken, _changed])
def test_a_form_without_the_token_of_its_browser_is_refused(
    browser: Browser, spoil: Callable[[Form], None]
) -> None:
    form = _form(browser.get("/console/"))
    spoil(form)
    got = browser.submit(form)
    assert got.status == 403
    assert "was not sent by a page of this console" in got.text
    assert "console_theme" not in browser.cookies


def test_a_token_of_another_path_is_refused(browser: Browser) -> None:
    form = _form(browser.get("/console/"))
    secret = browser.cookies["projector_session"]
    form.fields["form_token"] = form_tokens.make(secret, "/console/logout")
    assert browser.submit(form).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_form_of_another_site_is_refused(browser: Browser, site: str) -> None:
    form = _form(browser.get("/console/"))
    assert browser.submit(form, sec_fetch_site=site).status == 403


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://localhost:1", ""])
def test_a_form_of_another_origin_is_refused(browser: Browser, origin: str) -> None:
    form = _form(browser.get("/console/"))
    assert browser.submit(form, sec_fetch_site="", origin=origin).status == 403


def test_a_token_is_another_one_each_time(browser: Browser) -> None:
    """What a page compresses to says nothing about it (BREACH)."""
    tokens = [_form(browser.get("/console/")).fields["form_token"] for _ in range(3)]
    assert len({*tokens}) == 3
    assert len({token[:8] for token in tokens}) == 3


def test_a_form_that_is_too_long_is_refused(browser: Browser) -> None:
    form = _form(browser.get("/console/"))
    form.fields["more"] = "x" * 70_000
    assert browser.submit(form).status == 413


def test_reading_a_page_changes_nothing(browser: Browser) -> None:
    browser.get("/console/preferences?theme=dark&zone=Europe/Warsaw")
    assert browser.cookies.keys() == {"projector_session"}
