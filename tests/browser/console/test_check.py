"""An admin has a customer compared with the source, sees what differed, and that it is repaired."""

import re
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.database import Database
from tests.browser.console.conftest import DESK, PHONE
from tests.support.accessibility import overflow, violations
from tests.support.chromium import watched
from tests.support.comparisons import comparing
from tests.support.databases import copy_file
from tests.support.sources import Shop
from tests.support.voucherify_api import voucherify_api

_ASK = "Compare with Voucherify"


@pytest.mark.external
def test_a_lost_delivery_is_found_and_repaired(
    browser: Browser, sqlite_template: Path, tmp_path: Path
) -> None:
    url = copy_file(sqlite_template, tmp_path)
    with voucherify_api() as api, closing(Database(url)) as database:
        shop = Shop(api, database, datetime.now(UTC))
        shop.customer("cust_1")
        shop.campaign("camp_1", "ltr_1", "ltr_2")
        shop.move("cust_1", "ltr_1", hours_ago=40)
        shop.move("cust_1", "ltr_2", hours_ago=9, delivered=False)
        shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
        catch_up(database, discover())
        with (
            comparing(url, api.environment) as server,
            browser.new_context(viewport={"width": DESK, "height": 900}) as context,
        ):
            visit = watched(context, f"http://127.0.0.1:{server.port}")
            page = visit.page
            page.goto(f"{visit.url}/console/customers/proj_1/cust_1")
            expect(page.get_by_text("Voucherify was never asked for everything")).to_be_visible()
            _is_sound(page)
            page.get_by_role("button", name=_ASK).click()
            expect(page.get_by_role("heading", level=1)).to_have_text(
                "Comparison of cust_1 with Voucherify"
            )
            expect(page.locator(".verdict")).to_have_text(
                "Compared. 2 differences. Repaired: 1 by the activity, 1 by an observation."
                " Nothing differs any more.",
                timeout=30_000,
            )
            expect(page.get_by_role("row", name=re.compile("Segment seg_1"))).to_contain_text(
                "by an observation"
            )
            _is_sound(page)
            page.get_by_role("main").get_by_role("link", name=re.compile("cust_1")).click()
            expect(page.get_by_text("Voucherify was last asked for everything")).to_be_visible()
            expect(page.get_by_text("since unknown")).to_be_visible()
            expect(page.get_by_role("button", name=_ASK)).to_be_visible()
            _is_sound(page)
            visit.check()
            assert visit.refused == []


def _is_sound(page: Page) -> None:
    """On a desk and on a phone."""
    assert violations(page) == []
    page.set_viewport_size({"width": PHONE, "height": 900})
    assert overflow(page) == []
    page.set_viewport_size({"width": DESK, "height": 900})
