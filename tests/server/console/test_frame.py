"""What every page of the console has: headers, files, zone, errors, and links from elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projector.server.console import rendering
from projector.server.console.assets import assets
from tests.support.console import Browser, read
from tests.support.http_client import Client
from tests.support.server_process import refused, serving


@pytest.fixture
def browser(client: Client) -> Browser:
    """A browser on this machine."""
    return Browser(client)


@pytest.mark.parametrize("path", ["/", "/console"])
def test_the_root_leads_to_the_console(client: Client, path: str) -> None:
    got = client.get(path)
    assert (got.status, got.headers["location"]) == (308, "/console/")


def test_a_page_may_run_its_own_files_and_nothing_else(browser: Browser) -> None:
    headers = browser.get("/console/").reply.headers
    policy = dict(
        each.strip().split(" ", 1) for each in headers["content-security-policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "font-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "console",
    }
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    # With `no-referrer`, which all other answers have, browsers send `Origin: null` with forms.
    assert headers["referrer-policy"] == "same-origin"


def test_a_file_is_kept_for_its_version_and_only_for_it(client: Client) -> None:
    for name, (content, _) in assets().files.items():
        got = client.get(assets().url(name))
        assert got.body == content
        assert got.headers["cache-control"] == "public, max-age=31536000, immutable"
    got = client.get("/console/static/000000000000/console.css")
    assert got.headers["cache-control"] == "no-store"
    assert client.get(f"/console/static/{assets().version}/../routes.py").status == 404
    assert client.get(f"/console/static/{assets().version}/README").status == 404


def test_the_files_are_small() -> None:
    sizes = {name: len(content) for name, (content, _) in assets().files.items()}
    assert sizes["console.css"] <= 32_000
    assert sizes["console.js"] <= 10_000
    first = sum(size for name, size in sizes.items() if name != "inter-latin-ext.woff2")
    assert first + 64_000 <= 160_000


def test_a_template_that_lacks_a_value_is_an_error() -> None:
    with pytest.raises(Exception, match="'theme' is undefined"):
        rendering.render("bare.html", {})


def test_a_path_that_leads_nowhere_is_a_page(browser: Browser) -> None:
    got = browser.get("/console/nothing/<script>alert(1)</script>")
    assert got.status == 404
    assert "Nothing is here" in got.text
    assert got.flaws == []


def test_the_zone_of_a_browser_is_the_zone_of_its_times(browser: Browser) -> None:
    assert "Times in UTC" in browser.get("/console/").text
    page = browser.get("/console/preferences?next=/console/")
    [form] = [each for each in page.forms if "zone" in each.fields]
    form.fields["zone"] = "Europe/Warsaw"
    assert browser.submit(form).reply.headers["location"] == "/console/"
    assert "Times in Europe/Warsaw" in browser.get("/console/").text
    browser.cookies["console_zone"] = "../../etc/passwd"
    assert "Times in UTC" in browser.get("/console/").text


def test_a_part_that_is_the_same_is_not_sent_again(browser: Browser) -> None:
    first = browser.get("/console/parts/fresh").reply
    assert first.status == 200
    again = browser.get("/console/parts/fresh", if_none_match=first.headers["etag"]).reply
    assert (again.status, again.body) == (304, b"")
    assert again.headers["content-security-policy"]


_NAVIGATION = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}


def test_a_link_on_another_site_is_followed_once(browser: Browser) -> None:
    """The cookie is not sent with such a request; the page asks again by itself."""
    got = browser.get("/console/?q=a%22b", sec_fetch_site="cross-site", **_NAVIGATION)
    assert got.status == 200
    [content] = [found["content"] for tag, found in got.elements if "http-equiv" in found]
    assert content == "0; url=/console/?q=a%22b&bounced=1"
    # A browser that still calls it cross-site is not sent round in a circle.
    target = content.partition("url=")[2]
    again = browser.get(target, sec_fetch_site="cross-site", **_NAVIGATION)
    assert again.status == 403
    own = browser.get(target, sec_fetch_site="same-origin", **_NAVIGATION)
    assert own.status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"}, {"sec_fetch_dest": "iframe"}],
)
def test_another_sites_request_that_is_no_link_is_refused(
    browser: Browser, headers: dict[str, str]
) -> None:
    assert browser.get("/console/", sec_fetch_site="cross-site", **headers).status == 403


def test_a_foreign_host_is_refused(browser: Browser) -> None:
    assert browser.get("/console/", host="evil.example").status == 403


@pytest.fixture
def without(tmp_path: Path, migrated_sqlite_url: str) -> Iterator[Client]:
    """Asks a server without the console."""
    with serving(tmp_path, migrated_sqlite_url, "--no-console") as server:
        assert "console" not in server.told
        yield server.client


def test_the_console_can_be_switched_off(without: Client) -> None:
    assert without.get("/console/").refusal == (404, "path_unknown")
    assert without.get("/").headers["location"] == "/docs/"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PROJECTOR_CONSOLE_TIMEZONE", "Mars/Olympus"),
        ("PROJECTOR_CONSOLE_TIMEZONE", "../../etc/passwd"),
        ("PROJECTOR_CONSOLE_ORIGIN", "state.example.com"),
        ("PROJECTOR_CONSOLE_ORIGIN", "https://state.example.com/path"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    tmp_path: Path, variable: str, value: str
) -> None:
    done = refused(tmp_path, **{variable: value})
    assert done.code == 2
    assert f"Invalid {variable} {value!r}" in done.err


def test_the_settings_are_used(tmp_path: Path, migrated_sqlite_url: str) -> None:
    variables = {
        "PROJECTOR_CONSOLE_NAME": "Kestrel <Coffee>",
        "PROJECTOR_CONSOLE_TIMEZONE": "Asia/Tokyo",
    }
    with serving(tmp_path, migrated_sqlite_url, **variables) as server:
        page = read(server.client.get("/console/"))
    assert "Kestrel <Coffee>" in page.text
    assert "Times in Asia/Tokyo" in page.text
