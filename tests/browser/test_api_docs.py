"""The page at /docs, in a real browser: Chromium, which `make test` sees to."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from projector.server import openapi
from tests.support.chromium import Visit, watched
from tests.support.command import PROGRAM, environment

_OPERATIONS = [
    operation for path in openapi.document()["paths"].values() for operation in path.values()
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server, without tokens and with an empty database."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", "--port", "0"],
        cwd=tmp_path_factory.mktemp("server"),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            found = re.match(r"Listening on (\S+);", first)
            assert found, first
            yield found[1]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def visit(server: str, browser: Browser) -> Iterator[Visit]:
    """The page, drawn."""
    with browser.new_context(viewport={"width": 1200, "height": 900}) as context:
        visit = watched(context, server)
        visit.page.goto(f"{server}/docs")
        visit.page.locator(".opblock").first.wait_for()
        yield visit


def test_the_page_draws_every_operation(visit: Visit) -> None:
    drawn = visit.page.locator(".opblock-summary-description").all_inner_texts()
    assert sorted(drawn) == sorted(operation["summary"] for operation in _OPERATIONS)


@pytest.mark.parametrize(
    ("tag", "name"),
    [(each["tags"][0], each["operationId"]) for each in _OPERATIONS],
    ids=[each["operationId"] for each in _OPERATIONS],
)
def test_an_operation_opens_with_its_answers_drawn(visit: Visit, tag: str, name: str) -> None:
    block = visit.page.locator(f"#operations-{tag}-{name}")
    block.locator(".opblock-summary-control").click()
    expect(block.locator(".responses-table").first).to_contain_text(re.compile("20[02]"))
    expect(block.locator(".errors-wrapper, .errors")).to_have_count(0)
    block.locator(".opblock-summary-control").click()


def test_try_it_out_shows_the_answer(visit: Visit) -> None:
    block = visit.page.locator("#operations-operation-getStatus")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    answer = block.locator(".live-responses-table .response")
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    assert json.loads(answer.locator("code").first.inner_text())["head"] == 0


def test_a_token_can_be_given_and_is_sent(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Authorize").first.click()
    dialog = visit.page.locator(".dialog-ux")
    dialog.get_by_label("auth-bearer-value").fill("a token")
    dialog.get_by_role("button", name="Apply credentials").first.click()
    dialog.get_by_role("button", name="Close").first.click()
    block = visit.page.locator("#operations-groups-listTiers")
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    with visit.page.expect_request(f"{visit.url}/tiers") as sent:
        block.get_by_role("button", name="Execute").click()
    assert sent.value.headers["authorization"] == "Bearer a token"


def test_the_docs_page_requests_only_its_own_server_and_obeys_its_security_policy(
    visit: Visit,
) -> None:
    # After all that the tests above did with it, and by itself when this one runs alone.
    visit.page.wait_for_load_state("networkidle")
    assert visit.requested
    visit.check()
    assert visit.refused == []


def test_the_policy_would_tell_of_what_it_forbids(visit: Visit) -> None:
    """Else the test above would say nothing."""
    visit.page.evaluate(
        "document.head.append(Object.assign(document.createElement('script'), "
        "{src: 'http://127.0.0.2/other.js'}))"
    )
    visit.page.wait_for_function("window.refused.length")
    assert [told.split(":")[0] for told in visit.refused] == ["script-src-elem"]
    assert any("Content Security Policy" in told for told in visit.console)


def test_the_files_of_the_page_are_all_there() -> None:
    static = Path(openapi.__file__).with_name("static")
    named = re.findall(r'(?:href|src)="static/([^"]+)"', (static / "docs.html").read_text())
    assert len(named) == 3
    assert all((static / name).is_file() for name in named)
