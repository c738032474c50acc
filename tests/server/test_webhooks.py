"""A signed webhook is answered with what became of it, and any other one leaves nothing behind."""

import gzip
import json
from typing import Any

import pytest

from projector.envelope import BODY_BYTES_MAX
from projector.store.database import Database
from tests.support.given import Delivery, created, entered, in_shape, updated
from tests.support.http_client import SIGNATURE, Client, encoded, sign
from tests.support.server_process import SECRET
from tests.support.server_state import kept, metric
from tests.support.suppressions import erase

_AT = "2024-03-01T10:00:00Z"


def _told(outcome: str, position: int | None, reason: str | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "position": position, "reason": reason}


def test_a_delivery_is_answered_with_its_position(
    client: Client, shared_database: Database
) -> None:
    head, _ = kept(shared_database)
    first = client.deliver(entered("cust_first", "seg_1", at=_AT), SECRET)
    assert (first.status, first.json) == (200, _told("appended", head + 1))
    second = client.deliver(entered("cust_first", "seg_2", at=_AT), SECRET)
    assert second.json == _told("appended", head + 2)
    assert kept(shared_database)[0] == head + 2


def test_a_duplicate_is_answered_with_the_position_of_the_first_one(client: Client) -> None:
    once = updated("cust_again", at=_AT)
    position = client.deliver(once, SECRET).json["position"]
    again = client.deliver(in_shape("another webhook", once), SECRET)
    assert (again.status, again.json) == (200, _told("duplicate", position))


def test_a_conflict_is_answered_with_the_position_of_what_it_contradicts(client: Client) -> None:
    first = entered("cust_other", "seg_1", at=_AT, id="evcus_other")
    position = client.deliver(first, SECRET).json["position"]
    other = entered("cust_other", "seg_2", at=_AT, id="evcus_other")
    assert client.deliver(other, SECRET).json == _told("conflict", position, "conflict")


def test_what_was_erased_is_acknowledged_and_only_counted(
    client: Client, shared_database: Database
) -> None:
    """As any other webhook: its sender must not send it again and again."""
    client.deliver(webhook := created("cust_erased", at=_AT), SECRET)
    with shared_database.writing() as connection:
        erase(connection, ("proj_1", "cust_erased"))
    before = kept(shared_database)
    counted = 'projector_deliveries_total{outcome="suppressed"}'
    assert metric(client.get("/metrics").body, counted) == 0
    again = client.deliver(webhook, SECRET)
    assert (again.status, again.json) == (200, _told("suppressed", None))
    with_offer = entered("cust_erased", "seg_1", at=_AT)
    with_offer["data"]["voucher"] = {"id": "v_1", "code": "SPRING-1", "object": "voucher"}
    assert client.deliver(with_offer, SECRET).json == _told("suppressed", None)
    assert kept(shared_database) == before
    assert metric(client.get("/metrics").body, counted) == 3
    assert metric(client.get("/metrics").body, counted.replace("suppressed", "quarantined")) >= 0
    [sent] = client.post("/events", encoded(webhook)).json["items"]
    assert sent == _told("suppressed", None)


UNREADABLE = {
    "a body that is cut off": (b'{"id":"whs_1","event":{', "broken_json"),
    "no text at all": (b"\xff\xfe\x00", "not_utf8"),
    "a webhook of the old format": (
        b'{"id":"ev_1","object":"event","type":"customer.updated","data":{"object":{}}}',
        "legacy_format",
    ),
    "a raw payload": (b'{"greeting":"hello"}', "unknown_shape"),
    "a list": (b"[1,2]", "unknown_shape"),
    "a page without an entry": (
        b'{"object":"list","data_ref":"data","data":[],"has_more":false}',
        "unknown_shape",
    ),
    "nothing": (b"", "broken_json"),
}


@pytest.mark.parametrize(("body", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_signed_unreadable_webhook_is_quarantined_and_acknowledged(
    client: Client, shared_database: Database, body: bytes, reason: str
) -> None:
    head, aside = kept(shared_database)
    got = client.deliver(body, SECRET)
    assert (got.status, got.json) == (200, _told("quarantined", None, reason))
    assert kept(shared_database) == (head, aside + 1)


def test_a_body_may_be_laid_out_anew_on_its_way(client: Client) -> None:
    delivery = entered("cust_pretty", "seg_1", at=_AT)
    signature = sign(encoded(delivery), SECRET)
    pretty = json.dumps(delivery, indent=4).encode()
    got = client.post("/webhooks/voucherify", pretty, **{SIGNATURE: signature})
    assert got.json["outcome"] == "appended"


def _signed_wrongly(body: bytes) -> dict[str, dict[str, str]]:
    return {
        "no signature": {},
        "an empty one": {SIGNATURE: ""},
        "another secret": {SIGNATURE: sign(body, "not the secret")},
        "another body": {SIGNATURE: sign(body + b" ", SECRET + "x")},
        "upper case": {SIGNATURE: sign(body, SECRET).upper()},
        "a part of it": {SIGNATURE: sign(body, SECRET)[:-1]},
        "bytes that are no text": {SIGNATURE: "\xe9\xff"},
        "no secret": {SIGNATURE: sign(body, "")},
    }


@pytest.mark.parametrize("how", _signed_wrongly(b""))
def test_a_webhook_without_a_valid_signature_is_counted_and_not_stored(
    client: Client, shared_database: Database, how: str
) -> None:
    before = kept(shared_database)
    counted = 'projector_webhooks_refused_total{code="signature_wrong"}'
    count = metric(client.get("/metrics").body, counted)
    body = encoded(entered("cust_nobody", "seg_1", at=_AT))
    got = client.post("/webhooks/voucherify", body, **_signed_wrongly(body)[how])
    assert got.refusal == (401, "signature_wrong")
    assert "Nothing was stored" in got.problem["hint"]
    assert kept(shared_database) == before
    assert metric(client.get("/metrics").body, counted) == count + 1


def test_an_unsigned_unreadable_webhook_is_refused_and_not_stored(
    client: Client, shared_database: Database
) -> None:
    before = kept(shared_database)
    assert client.post("/webhooks/voucherify", b"{").status == 401
    assert kept(shared_database) == before


def test_a_token_does_not_replace_the_signature_of_a_webhook(client: Client) -> None:
    body = encoded(entered("cust_token", "seg_1", at=_AT))
    got = client.post("/webhooks/voucherify", body, authorization=f"Bearer {SECRET}")
    assert got.refusal == (401, "signature_wrong")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "x\xff"])
def test_a_webhook_packed_otherwise_than_by_gzip_is_refused(
    client: Client, shared_database: Database, encoding: str
) -> None:
    before = kept(shared_database)
    packed = gzip.compress(encoded(entered("cust_packed", "seg_1", at=_AT)))
    got = client.deliver(packed, SECRET, content_encoding=encoding)
    assert got.refusal == (415, "encoding_unknown")
    assert kept(shared_database) == before


def _of_size(size: int, customer_id: str) -> bytes:
    delivery = created(customer_id, at=_AT, name="")
    name = "x" * (size - len(encoded(delivery)))
    body = encoded(created(customer_id, at=_AT, id=delivery["event"]["id"], name=name))
    assert len(body) == size
    return body


def test_a_body_of_a_mebibyte_is_taken(client: Client) -> None:
    got = client.deliver(_of_size(BODY_BYTES_MAX, "cust_large"), SECRET)
    assert got.json["outcome"] == "appended"


def test_a_byte_more_is_refused_and_leaves_nothing_behind(
    client: Client, shared_database: Database
) -> None:
    before = kept(shared_database)
    body = _of_size(BODY_BYTES_MAX + 1, "cust_larger")
    assert client.deliver(body, SECRET).refusal == (413, "body_too_large")
    assert kept(shared_database) == before


def test_a_chunked_body_over_the_limit_is_refused_with_413(client: Client) -> None:
    body = _of_size(BODY_BYTES_MAX + 1, "cust_larger")
    parts = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    headers = {SIGNATURE: sign(body, SECRET), "transfer_encoding": "chunked"}
    got = client.ask("POST", "/webhooks/voucherify", parts, **headers)
    assert got.refusal == (413, "body_too_large")


def test_a_body_may_come_in_chunks(client: Client) -> None:
    body = encoded(entered("cust_chunks", "seg_1", at=_AT))
    parts = (body[start : start + 10] for start in range(0, len(body), 10))
    headers = {SIGNATURE: sign(body, SECRET), "transfer_encoding": "chunked"}
    got = client.ask("POST", "/webhooks/voucherify", parts, **headers)
    assert got.json["outcome"] == "appended"


def _page(*deliveries: Delivery) -> Any:
    entries = [in_shape("activity", each) for each in deliveries]
    return {"object": "list", "data_ref": "data", "data": entries, "has_more": False}


def test_a_page_of_activity_is_appended_whole_and_answered_with_its_last_entry(
    client: Client, shared_database: Database
) -> None:
    head, aside = kept(shared_database)
    page = _page(*(entered("cust_page", f"seg_{number}", at=_AT) for number in range(3)))
    got = client.deliver(page, SECRET, path="/webhooks/voucherify/proj_page")
    assert got.json == _told("appended", head + 3)
    assert kept(shared_database) == (head + 3, aside)
    answer = client.get(f"/customers/cust_page?min_position={head + 3}").json
    assert answer["project_id"] == "proj_page"
    assert len(answer["segments"]) == 3


def test_a_page_that_does_not_tell_its_project_is_put_aside(client: Client) -> None:
    got = client.deliver(_page(entered("cust_page", "seg_1", at=_AT)), SECRET)
    assert got.json == _told("quarantined", None, "missing_project")


@pytest.mark.parametrize("query", ["?x=1", "?project=other", "?type=customer.created"])
def test_a_query_says_nothing_of_a_webhook(client: Client, query: str) -> None:
    """Voucherify's user may put one into the address, and must not lose events by that."""
    delivery = entered(f"cust_{query}", "seg_1", at=_AT)
    got = client.deliver(delivery, SECRET, path=f"/webhooks/voucherify{query}")
    assert got.json["outcome"] == "appended"
