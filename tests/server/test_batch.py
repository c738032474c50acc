"""The states of many customers in one go."""

from typing import Any

import pytest

from projector.queries.customers import IDS_MAX
from tests.support.given import created, entered
from tests.support.http_client import Client, Reply, ndjson
from tests.support.server_process import Server

_AT = "2024-03-01T10:00:00Z"


@pytest.fixture(scope="module", autouse=True)
def told(server: Server) -> int:
    """Customers whose states are in the tables up to here."""
    customers = [created(f"cust_{number}", at=_AT) for number in range(IDS_MAX)]
    both = [created("cust_both", at=_AT, project_id=f"proj_{number}") for number in (1, 2)]
    segment = entered("cust_3", "seg_1", at=_AT)
    answer = server.client.post("/events", ndjson(*customers, *both, segment)).json
    last: int = answer["last_position"]
    assert server.client.get(f"/status?min_position={last}").status == 400
    assert server.client.get(f"/segments?min_position={last}").status == 200
    return last


def _batch(client: Client, ids: list[Any], **more: Any) -> Reply:
    return client.post("/customers:batch", {"customer_ids": ids, **more})


def _ids(got: Reply) -> list[str]:
    return [each["customer_id"] for each in got.json["customers"]]


def test_a_batch_answers_in_the_order_of_the_request(client: Client) -> None:
    got = _batch(client, ["cust_7", "cust_3", "cust_5"])
    assert _ids(got) == ["cust_7", "cust_3", "cust_5"]
    assert got.json["not_found"] == got.json["ambiguous"] == []


def test_a_batch_answers_each_customer_as_a_single_request_does(client: Client) -> None:
    got = _batch(client, ["cust_3", "cust_7"])
    assert got.json["customers"] == [client.get(f"/customers/cust_{n}").json for n in (3, 7)]


def test_the_answer_says_how_far_it_is(client: Client, told: int) -> None:
    got = _batch(client, ["cust_3"])
    assert got.json["position"] == told
    assert got.headers["projector-position"] == got.headers["projector-head"] == str(told)
    assert [*got.json] == ["customers", "not_found", "erased", "ambiguous", "position"]


def test_a_batch_lists_unknown_and_ambiguous_customers(
    client: Client,
) -> None:
    got = _batch(client, ["nobody", "cust_both", "cust_1", "a\0b", "who else?"])
    assert _ids(got) == ["cust_1"]
    assert got.json["not_found"] == ["nobody", "a\0b", "who else?"]
    assert got.json["ambiguous"] == ["cust_both"]


def test_a_project_decides_who_is_meant(client: Client) -> None:
    got = _batch(client, ["cust_both", "cust_1"], project="proj_2")
    assert [each["project_id"] for each in got.json["customers"]] == ["proj_2"]
    assert (got.json["not_found"], got.json["ambiguous"]) == (["cust_1"], [])


def test_a_customer_requested_twice_in_a_batch_is_answered_once(client: Client) -> None:
    got = _batch(client, ["cust_2", "nobody", "cust_1", "cust_2", "nobody"])
    assert _ids(got) == ["cust_2", "cust_1"]
    assert got.json["not_found"] == ["nobody"]


def test_an_empty_batch_is_answered_with_an_empty_list(client: Client) -> None:
    assert _batch(client, []).json["customers"] == []


def test_a_batch_may_have_a_thousand_customers(client: Client) -> None:
    asked = [f"cust_{number}" for number in reversed(range(IDS_MAX))]
    assert _ids(_batch(client, asked)) == asked


WRONG = {
    "one more than a thousand": {"customer_ids": ["cust_1"] * (IDS_MAX + 1)},
    "an empty id": {"customer_ids": [""]},
    "an id that is too long": {"customer_ids": ["x" * 201]},
    "a number": {"customer_ids": [1]},
    "no list": {"customer_ids": "cust_1"},
    "no ids": {},
    "nothing": b"",
    "no object": [],
    "no JSON": b"{",
    "no text": b"\xff",
    "half a character": b'{"customer_ids":["\\ud800"]}',
    "much nesting": b"[" * 100_000,
    "a project that is none": {"customer_ids": [], "project": ""},
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG)
def test_a_body_that_is_wrong_is_refused(client: Client, body: Any) -> None:
    assert client.post("/customers:batch", body).refusal == (400, "bad_body")


def test_a_body_that_is_packed_or_too_large_is_refused(client: Client) -> None:
    packed = client.post("/customers:batch", b"x", content_encoding="gzip")
    assert packed.refusal == (415, "encoding_unknown")
    large = client.post("/customers:batch", b" " * (1024 * 1024 + 1))
    assert large.refusal == (413, "body_too_large")
