"""What a comparison asks is what the vendor's description allows, and it reads what that shows."""

import json
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from projector.voucherify import objects, paths
from projector.voucherify.address import parse_url
from projector.voucherify.client import Client
from projector.voucherify.credentials import Credentials
from projector.voucherify.pace import Pace
from projector.voucherify.pages import PageUnreadable, customer_path, is_absent
from tests.prism.conftest import Ask
from tests.support.command import run_program
from tests.support.voucherify_api import APP_ID, APP_TOKEN

_AT = datetime(2024, 3, 1, 10, tzinfo=UTC)


@pytest.fixture
def client(url: str) -> Client:
    pace = Pace(per_minute=100_000, requests_max=100, stop=Event())
    credentials = Credentials(project_id=None, app_id=APP_ID, app_token=APP_TOKEN)
    return Client(parse_url(url), credentials, pace, reserve_percent=30, connections_max=1)


@pytest.mark.parametrize("after", [None, _AT, _AT.replace(microsecond=7)], ids=str)
def test_segments_are_read(client: Client, after: datetime | None) -> None:
    page = objects.read_segments(client.get(paths.SEGMENTS, paths.segments_query(after)).body)
    assert all(each.is_announced and each.name and each.created_at for each in page.elements)
    assert page.total == 99, "of which the example shows four"
    one = objects.read_segment(client.get(paths.segment_path("seg_1"), {}).body)
    assert (one.is_announced, one.is_synced) == (True, True)


def test_customers_and_their_segments_are_read(client: Client, ask: Ask) -> None:
    found = objects.read_customer(client.get(customer_path("cust_1"), {}).body)
    assert found.customer_id.startswith("cust_")
    assert found.created_at is not None
    answer = client.get(paths.customer_segments_path("cust_1"), {})
    assert len(objects.read_customer_segments(answer.body)) == 5
    assert answer.date is not None
    status, body = ask(customer_path("cust_1"), Prefer="code=404")
    assert (status, is_absent(body)) == (404, True)


def test_campaigns_tiers_and_cards_are_read(client: Client) -> None:
    campaigns = objects.read_campaigns(client.get(paths.CAMPAIGNS, paths.campaigns_query(1)).body)
    assert all(each.name for each in campaigns.elements)
    tiers = objects.read_tiers(client.get(paths.tiers_path("camp_1"), paths.tiers_query()).body)
    assert len(tiers) == 3
    cards = client.get(paths.cards_path("camp_1"), paths.cards_query("a shop's id"))
    assert objects.read_cards(cards.body)
    [tier] = objects.read_tiers(client.get(paths.card_tiers_path("v_1"), {}).body)
    assert tier.whole["expiration"]["expiration_date"] == "2023-02-28"


def test_random_answers_of_every_described_shape_are_read_or_refused(ask: Ask) -> None:
    """What is not said is refused, and never taken for none."""
    read = {
        paths.SEGMENTS: objects.read_segments,
        paths.customer_segments_path("cust_1"): objects.read_customer_segments,
        paths.CAMPAIGNS: objects.read_campaigns,
        paths.tiers_path("camp_1"): objects.read_tiers,
        paths.cards_path("camp_1"): objects.read_cards,
        customer_path("cust_1"): objects.read_customer,
    }
    for path, reader in read.items():
        for _ in range(5):
            status, body = ask(path, Prefer="dynamic=true")
            if status != 200:
                continue
            try:
                reader(body)
            except PageUnreadable:
                found = json.loads(body)
                assert found.get("object") != "list" or found.get("total") is not None


def test_a_comparison_goes_to_its_end(tmp_path: Path, url: str) -> None:
    """Every customer of Prism has five segments, and a tier by each of seven cards."""
    done = run_program(
        tmp_path,
        *("reconcile", "cust_1", "--segments", "all", "--settle", "0"),
        *("--rate", "100000", "--json"),
        PROJECTOR_VOUCHERIFY_URL=url,
        PROJECTOR_VOUCHERIFY_APP_ID=f"proj_1={APP_ID}",
        PROJECTOR_VOUCHERIFY_APP_TOKEN=f"proj_1={APP_TOKEN}",
    )
    assert done.code == 1
    report = done.json
    assert (report["compared"], report["failed"], report["stopped"]) == (1, 0, None)
    assert {each["kind"] for each in report["differences"]} == {"missing_entry", "missing_tier"}
    assert done.err.count("\n") == 1, "the cost is told, and nothing else"
