"""Takes the pictures of the console in docs/console, of the made-up shop, as a browser draws it.

`python -m tests.support.pictures [FOLDER]` (`make pictures`). With a folder, all pages are taken
into it, in both themes, on a desk and on a phone, to be looked at.
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.console.test_look import PAGES
from tests.support.chromium import launched
from tests.support.databases import migrated
from tests.support.server_process import serving
from tests.support.shop import fill

_DOCS = Path(__file__).parents[2] / "docs" / "console"

#: The pictures in the documentation: a page of `PAGES`, and the height that is shown.
_SHOWN = {"customer": 1000, "why": 800, "segment": 1000, "health": 900}

_CUSTOMERS = 2_400


def main() -> None:
    """Take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        url = f"sqlite:///{place}/projector.db"
        with migrated(url) as database:
            fill(database, customers=_CUSTOMERS, paused="customer.segment.left")
        variables = {"PROJECTOR_CONSOLE_NAME": "Kestrel Coffee"}
        with serving(place, url, **variables) as server, launched(place) as browser:
            address = f"http://127.0.0.1:{server.port}"
            if folder is None:
                _take_shown(browser, address)
            else:
                _take_all(browser, address, folder)


def _take_shown(browser: Browser, address: str) -> None:
    _DOCS.mkdir(exist_ok=True)
    for name, height in _SHOWN.items():
        size = {"width": 1280, "height": height}
        with browser.new_context(viewport=size, device_scale_factor=1.5) as context:  # type: ignore[arg-type]
            page = context.new_page()
            _settle(page, address + PAGES[name])
            page.screenshot(path=_DOCS / f"{name}.png")


def _take_all(browser: Browser, address: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for theme in ("light", "dark"):
        for width in (1280, 390):
            with browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=theme,
            ) as context:
                page = context.new_page()
                for name, path in PAGES.items():
                    _settle(page, address + path)
                    page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)


def _settle(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_load_state("networkidle")


if __name__ == "__main__":
    main()
