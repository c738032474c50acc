"""What the pages say before anything has arrived."""

from pathlib import Path

from tests.support.console import Browser
from tests.support.http_client import Client
from tests.support.server_process import serving


def test_an_empty_log_says_where_deliveries_are_to_be_sent(client: Client) -> None:
    page = Browser(client).get("/console/")
    assert (page.status, page.flaws) == (200, [])
    assert "Nothing has arrived yet" in page.text
    assert "/webhooks/voucherify" in page.text
    assert "Webhooks are refused" not in page.text
    for path, text in {
        "segments": "No event has put a customer into a segment yet.",
        "tiers": "No event has put a customer on a tier yet.",
        "?q=mara": "Nobody found for “mara”",
    }.items():
        page = Browser(client).get(f"/console/{path}")
        assert (page.status, page.flaws) == (200, [])
        assert text in page.text


def test_a_missing_secret_is_named_where_webhooks_are_set_up(
    tmp_path: Path, migrated_sqlite_url: str
) -> None:
    with serving(tmp_path, migrated_sqlite_url, PROJECTOR_WEBHOOK_SECRET="") as server:
        page = Browser(server.client).get("/console/")
    assert "Webhooks are refused until the secret that signs them is set" in page.text
