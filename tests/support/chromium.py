"""Chromium, which `make test` sees to, and what a page must never do in it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import Factory, define
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.command import environment

#: The program that draws, or another one of its family.
_PROGRAM = os.environ.get("CHROMIUM") or "chromium"

#: Tests may run as root, for whom its sandbox does not; and it asks nobody for anything by itself.
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)

#: Told by the browser itself, before any script of the page runs.
_LISTEN = """
window.refused = [];
document.addEventListener("securitypolicyviolation", found =>
  window.refused.push(`${found.violatedDirective}: ${found.blockedURI}`));
"""


@contextmanager
def launched(home: Path) -> Iterator[Browser]:
    """The browser, with a home folder of its own."""
    program = shutil.which(_PROGRAM)
    assert program, f"{_PROGRAM} is not here: `make test` installs it, or CHROMIUM names another"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=_ARGUMENTS, env={**environment(), "HOME": str(home)}
        )
        try:
            yield browser
        finally:
            browser.close()


@define
class Visit:
    """A page that was opened, and all that the browser had to say about it."""

    page: Page
    url: str
    console: list[str] = Factory(list)
    requested: list[str] = Factory(list)

    @property
    def refused(self) -> list[str]:
        """What the page's own policy forbids it, and it tried."""
        found: list[str] = self.page.evaluate("window.refused")
        return found

    def check(self) -> None:
        """Assert that the page kept its policy, and asked nobody but its own server."""
        assert not self.console, self.console
        foreign = [each for each in self.requested if not _is_own(each, self.url)]
        assert not foreign, foreign


def watched(context: BrowserContext, url: str) -> Visit:
    """A new page of a server, of which everything is noted."""
    context.set_default_timeout(10_000)
    page = context.new_page()
    visit = Visit(page, url)
    page.add_init_script(_LISTEN)
    page.on("console", lambda message: visit.console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: visit.console.append(str(error)))
    page.on("request", lambda request: visit.requested.append(request.url))
    return visit


def _is_own(requested: str, url: str) -> bool:
    return requested.startswith((f"{url}/", "data:"))
