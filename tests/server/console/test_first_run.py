"""What the pages say before anything has arrived."""

from tests.support.console import Browser
from tests.support.http_client import Client


def test_an_empty_log_says_where_deliveries_are_to_be_sent(client: Client) -> None:
    page = Browser(client).get("/console/")
    assert (page.status, page.flaws) == (200, [])
    assert "Nothing has arrived yet" in page.text
    assert "/webhooks/voucherify" in page.text
    for path, text in {
        "segments": "No event has put a customer into a segment yet.",
        "tiers": "No event has put a customer on a tier yet.",
        "?q=mara": "Nobody found for “mara”",
    }.items():
        page = Browser(client).get(f"/console/{path}")
        assert (page.status, page.flaws) == (200, [])
        assert text in page.text
