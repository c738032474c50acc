"""Erased customers, over HTTP and in the console: that they were erased, and nothing else."""

import pytest

from projector.store.database import Database
from tests.support.console import Browser
from tests.support.erasures import erase
from tests.support.given import created, entered
from tests.support.http_client import Client, ndjson
from tests.support.server_process import Server

_AT = "2024-03-01T10:00:00Z"
_SECRETS = ("Ada", "cust_1@shop.test", "shop_1")


@pytest.fixture(scope="module", autouse=True)
def _erased(server: Server, shared_database: Database) -> None:
    """`cust_1` is erased, and not purged; `cust_2` is not erased."""
    deliveries = [
        each
        for number in (1, 2)
        for each in (
            created(
                f"cust_{number}",
                at=_AT,
                name="Ada",
                email=f"cust_{number}@shop.test",
                source_id=f"shop_{number}",
            ),
            entered(f"cust_{number}", "seg_1", at=_AT),
        )
    ]
    last = server.client.post("/events", ndjson(*deliveries)).json["last_position"]
    assert server.client.get(f"/customers/cust_2?min_position={last}").status == 200
    erase(shared_database, "cust_1", is_purged=False)


@pytest.mark.parametrize(
    "path",
    [
        "/customers/{}",
        "/customers/{}?project=proj_1",
        "/customers/{}?as_of=2024-03-02T10:00:00Z",
        "/customers/{}?at_position=4",
        "/customers/{}/why?segment=seg_1",
        "/customers/{}/events",
        "/customers/{}/timeline",
        "/customers/{}/timeline?at_position=4",
    ],
)
def test_an_erased_customer_is_gone(client: Client, path: str) -> None:
    reply = client.get(path.format("cust_1"))
    assert reply.refusal == (410, "customer_erased")
    assert reply.problem["title"] == "Customer erased"
    assert reply.problem["detail"] == "This customer was erased on 2026-11-26 (erasure 1)."
    assert b"cust_1" not in reply.body
    assert client.get(path.format("cust_2")).status == 200
    assert client.get(path.format("nobody")).refusal == (404, "customer_not_found")


def test_a_source_id_of_an_erased_customer_is_not_known(client: Client) -> None:
    assert client.get("/customers?source_id=shop_1").refusal == (404, "customer_not_found")


def test_a_batch_and_a_search(client: Client) -> None:
    body = b'{"customer_ids": ["cust_1", "cust_2", "nobody"]}'
    found = client.post("/customers:batch", body).json
    assert (found["erased"], found["not_found"]) == (["cust_1"], ["nobody"])
    assert len(found["customers"]) == 1
    for text in ("cust_1", "Ada", "cust_1@shop.test", "erased:1"):
        ids = [
            each["customer_id"]
            for each in client.get(f"/customers:search?q={text}").json["customers"]
        ]
        assert ids == (["cust_2"] if text == "Ada" else []), text


def test_the_status_the_log_and_the_metrics(client: Client) -> None:
    erased = client.get("/status").json["erased"]
    assert erased == {
        "customers": 1,
        "events": 2,
        "last": "2026-11-26T15:57:37.761Z",
        "unpurged": 1,
    }
    log = client.get("/log").json["events"]
    assert [(each["type"], each["customer_id"]) for each in log][::-1] == [
        ("erased", None),
        ("erased", None),
        ("customer.created", "cust_2"),
        ("customer.segment.entered", "cust_2"),
        ("projector.erasure", None),
    ]
    metrics = client.get("/metrics").body.decode()
    assert "projector_erasures_unpurged 1.0" in metrics
    assert 'projector_silence_seconds{type="other"}' not in metrics


@pytest.mark.parametrize("page", ["", "/why", "/events"])
def test_the_pages_of_an_erased_customer(client: Client, page: str) -> None:
    browser = Browser(client)
    found = browser.get(f"/console/customers/proj_1/cust_1{page}")
    assert found.status == 410
    assert "This customer was erased" in found.text
    assert "2026" in found.text
    assert not [each for each in (*_SECRETS, "cust_1") if each in found.text]
    assert browser.get(f"/console/customers/proj_2/cust_1{page}").status == 404
    assert browser.get(f"/console/customers/proj_1/cust_2{page}").status == 200


def test_the_console_finds_no_erased_customer(client: Client) -> None:
    browser = Browser(client)
    assert browser.get("/console/customers/cust_1").status == 410
    found = browser.get("/console/?q=Ada")
    assert found.text.count("Ada") >= 1
    assert "cust_1" not in found.text
    for text in ("cust_1@shop.test", "shop_1", "erased:1"):
        assert "/console/customers/" not in " ".join(browser.get(f"/console/?q={text}").links)


def test_the_console_says_what_is_erased_and_not_purged(client: Client) -> None:
    browser = Browser(client)
    log = browser.get("/console/operations/log")
    assert "says which events were erased" in log.text
    assert "but for 2 events of erased customers" in log.text
    assert "/console/customers/proj_1/erased" not in " ".join(log.links)
    health = browser.get("/console/operations")
    assert "1 erasure not finished" in health.text
    assert "projector purge" in health.text
