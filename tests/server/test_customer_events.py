"""A customer's events, page by page, as they came."""

import json
from typing import Any

import pytest

from projector.text.paging import to_cursor
from tests.support.given import Delivery, entered, in_shape, left
from tests.support.http_client import Client, encoded, ndjson
from tests.support.server_process import SECRET, Server

_COUNT = 23
_EVENTS: list[Delivery] = [
    (left if number % 2 else entered)(
        "cust_1", "seg_1", at=f"2024-03-{(number * 7) % 28 + 1:02}T10:00:00Z", id=f"e{number}"
    )
    for number in range(_COUNT)
]


@pytest.fixture(scope="module", autouse=True)
def _told(server: Server) -> None:
    others = [entered(f"cust_{n}", "seg_1", at="2024-03-01T10:00:00Z") for n in range(2, 9)]
    mixed = [each for pair in zip(_EVENTS, others * 4, strict=False) for each in pair]
    again = {**_EVENTS[3], "id": "whs_another", "type": "Another distribution"}
    body = ndjson(*mixed, again, again)
    last = server.client.post("/events", body).json["last_position"]
    assert server.client.get(f"/customers/cust_1/events?min_position={last}").status == 200


def test_a_cursor_that_no_page_ended_with_is_refused(client: Client) -> None:
    for forged in (to_cursor((2**63,)), to_cursor((-1,)), to_cursor(("e1",)), "no"):
        got = client.get(f"/customers/cust_1/events?after={forged}")
        assert got.refusal == (400, "bad_cursor")


def test_a_customer_without_rows_still_has_events(server: Server) -> None:
    told = in_shape("minimal", entered("cust_rewarded", "seg_1", at="2024-03-01T10:00:00Z"))
    rewarded = {**told, "type": "customer.rewarded"}
    assert server.client.post("/events", ndjson(rewarded)).json["appended"] == 1
    page = server.client.get("/customers/cust_rewarded/events")
    assert [each["type"] for each in page.json["events"]] == ["customer.rewarded"]


def _pages(client: Client, limit: int) -> list[list[dict[str, Any]]]:
    pages, after = [], ""
    while True:
        page = client.get(f"/customers/cust_1/events?limit={limit}{after}").json
        assert [*page] == ["project_id", "customer_id", "events", "next"]
        pages.append(page["events"])
        if page["next"] is None:
            return pages
        after = f"&after={page['next']}"


@pytest.mark.parametrize("limit", [1, 5, _COUNT - 1, _COUNT, _COUNT + 1, 1_000])
def test_pages_have_every_event_once_in_the_order_of_arrival(client: Client, limit: int) -> None:
    pages = _pages(client, limit)
    events = [each for page in pages for each in page]
    assert [each["event_id"] for each in events] == [f"e{number}" for number in range(_COUNT)]
    positions = [each["position"] for each in events]
    assert positions == sorted(positions)
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert 0 < len(pages[-1]) <= limit


def test_an_event_is_answered_with_its_original_body(client: Client) -> None:
    for told, came in zip(_pages(client, 100)[0], _EVENTS, strict=True):
        assert told["body"] == encoded(came).decode()
        assert told["source"] == "webhook"
        assert told["type"] == came["event"]["type"]
        assert told["occurred_at"] == came["event"]["created_at"].replace("Z", ".000Z")
        assert told["duplicates"] == (2 if told["event_id"] == "e3" else 0)
    assert {each["late"] for each in _pages(client, 100)[0]} == {True, False}


def test_the_body_of_an_event_is_answered_byte_for_byte(client: Client) -> None:
    delivery = entered("cust_bytes", "seg_1", at="2024-03-01T10:00:00Z")
    body = json.dumps(delivery, indent=3).replace("1", "1").encode()
    body = body.replace(b'"My distribution"', '"\\u00e9 é \\/ "'.encode())
    position = client.deliver(body, SECRET).json["position"]
    path = f"/customers/cust_bytes/events?min_position={position}"
    assert client.get(path).json["events"][0]["body"].encode() == body


def test_a_page_of_long_bodies_is_short(client: Client) -> None:
    filler = {"filler": "x" * 900_000}
    long = [
        entered("cust_long", "seg_1", at="2024-03-01T10:00:00Z", id=f"long{n}", **filler)
        for n in range(9)
    ]
    last = client.post("/events", ndjson(*long)).json["last_position"]
    found, after = [], ""
    while True:
        got = client.get(f"/customers/cust_long/events?min_position={last}{after}")
        assert len(got.body) < 5_000_000
        found += [each["event_id"] for each in got.json["events"]]
        if got.json["next"] is None:
            break
        after = f"&after={got.json['next']}"
    assert found == [f"long{n}" for n in range(9)]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", ""])
def test_a_limit_has_bounds(client: Client, limit: str) -> None:
    got = client.get(f"/customers/cust_1/events?limit={limit}")
    assert got.refusal == (400, "bad_query")


def test_the_events_of_an_unknown_customer_are_not_found(client: Client) -> None:
    assert client.get("/customers/nobody/events").refusal == (404, "customer_not_found")
