"""A shop's console in a real browser: on each database, in each theme, on a desk and on a phone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser

from projector.operate.tokens import create_token
from projector.store.database import Database
from tests.support.chromium import Visit, watched
from tests.support.databases import url_of
from tests.support.server_process import Server, serving
from tests.support.shop import fill

#: Opens a page of the console, and checks at the end that it kept its policy.
Open = Callable[..., Any]

DESK, PHONE = 1280, 390


@pytest.fixture(scope="module")
def shop(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the sample and some customers more, that knows a token of each scope."""
    fill(shared_database, customers=150)
    tokens = {
        scope: create_token(shared_database, name=f"{scope} desk", scopes=[scope]).token
        for scope in ("read", "admin")
    }
    variables = {"PROJECTOR_CONSOLE_NAME": "Kestrel Coffee"}
    with serving(tmp_path_factory.mktemp("server"), url_of(shared_database), **variables) as server:
        server.tokens = tokens
        yield server


@pytest.fixture
def open_page(shop: Server, browser: Browser) -> Open:
    """Opens a page of the shop's console, signed in."""

    @contextmanager
    def opened(
        path: str = "/console/",
        *,
        width: int = DESK,
        theme: str = "light",
        javascript: bool = True,
        scope: str | None = "read",
    ) -> Iterator[Visit]:
        url = f"http://127.0.0.1:{shop.port}"
        with browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if theme == "dark" else "light",
            java_script_enabled=javascript,
            permissions=["clipboard-read", "clipboard-write"],
        ) as context:
            visit = watched(context, url)
            page = visit.page
            if scope is None:
                page.goto(url + path)
            else:
                page.goto(f"{url}/console/login")
                page.get_by_label("Access token").fill(shop.tokens[scope])
                page.get_by_role("button", name="Sign in").click()
                page.get_by_role("button", name="Sign out").wait_for()
                page.goto(url + path)
            yield visit
            visit.check()
            if javascript:
                assert visit.refused == []

    return opened
