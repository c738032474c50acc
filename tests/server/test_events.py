"""POST /events takes many deliveries in one body, and tells what became of each."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from projector.store.database import Database
from tests.support.given import created, delivery, entered, in_shape, segment, segments_seen
from tests.support.http_client import Client, encoded, ndjson
from tests.support.server_process import Server
from tests.support.server_state import kept
from tests.support.suppressions import erase

_AT = "2024-03-01T10:00:00Z"

_SAMPLE = Path(__file__).parents[2] / "docs/sample/deliveries.ndjson"
_SAMPLE_PROJECT = "proj_Kestrel4mZr8QwTx2LbVn6Yd"


def _entries(customer_id: str, count: int = 3) -> list[dict[str, Any]]:
    return [entered(customer_id, f"seg_{number}", at=_AT) for number in range(count)]


def _outcomes(answer: Any) -> list[str]:
    """Of each item, in their order; the numbers at the head must be theirs."""
    outcomes = [each["outcome"] for each in answer["items"]]
    assert answer["read"] == len(outcomes)
    for name, outcome in (
        ("appended", "appended"),
        ("duplicates", "duplicate"),
        ("conflicts", "conflict"),
        ("quarantined", "quarantined"),
        ("suppressed", "suppressed"),
    ):
        assert answer[name] == outcomes.count(outcome)
    positions = [each["position"] or 0 for each in answer["items"]]
    assert answer["last_position"] == max(positions, default=0)
    return outcomes


BODIES = {
    "lines": lambda items: ndjson(*items),
    "lines without an end": lambda items: ndjson(*items).rstrip(b"\n"),
    "lines with others that are empty": lambda items: b"\n\r\n".join(map(encoded, items)),
    "all on one line": lambda items: b"".join(map(encoded, items)),
    "all on one line, with spaces": lambda items: b" ".join(map(encoded, items)),
    "an array": lambda items: json.dumps(items, indent=1).encode(),
    "an array in one line": lambda items: encoded(items),
    "documents of many lines": lambda items: b"".join(
        json.dumps(each, indent=2).encode() for each in items
    ),
}


@pytest.mark.parametrize("shape", BODIES)
def test_a_body_may_be_laid_out_in_many_ways(
    client: Client, shared_database: Database, shape: str
) -> None:
    head, _ = kept(shared_database)
    got = client.post("/events", BODIES[shape](_entries(f"cust {shape}")))
    assert got.status == 200
    assert _outcomes(got.json) == ["appended"] * 3
    assert [each["position"] for each in got.json["items"]] == [head + 1, head + 2, head + 3]
    assert kept(shared_database)[0] == head + 3


def test_each_item_has_its_outcome_in_the_order_of_the_body(client: Client) -> None:
    first = entered("cust_all", "seg_1", at=_AT, id="evcus_all")
    other = entered("cust_all", "seg_2", at=_AT, id="evcus_all")
    got = client.post("/events", ndjson(first, b"{", first, other, b'{"x":1}', *_entries("all", 1)))
    assert _outcomes(got.json) == [
        "appended",
        "quarantined",
        "duplicate",
        "conflict",
        "quarantined",
        "appended",
    ]
    reasons = [each["reason"] for each in got.json["items"]]
    assert reasons == [None, "broken_json", None, "conflict", "unknown_shape", None]


def test_what_was_erased_has_no_position(client: Client, shared_database: Database) -> None:
    hers = _entries("cust_gone", 2)
    client.post("/events", ndjson(*hers))
    with shared_database.writing() as connection:
        erase(connection, ("proj_1", "cust_gone"))
    got = client.post("/events", ndjson(hers[0], *_entries("cust_there", 1), hers[1]))
    assert _outcomes(got.json) == ["suppressed", "appended", "suppressed"]
    assert [each["reason"] for each in got.json["items"]] == [None] * 3


def test_an_observation_by_the_network_is_not_believed(client: Client) -> None:
    """It would overrule what the customer's events say."""
    forged = segments_seen("cust_1", at=_AT)
    for body in (forged, in_shape("minimal", forged)):
        answer = client.post("/events", ndjson(body)).json
        assert [each["reason"] for each in answer["items"]] == ["reserved_type"]


def test_the_last_position_is_the_greatest_whatever_comes_last(client: Client) -> None:
    first, *others = _entries("cust_greatest", 4)
    client.post("/events", ndjson(first))
    got = client.post("/events", ndjson(*others, first))
    assert _outcomes(got.json) == ["appended"] * 3 + ["duplicate"]


@pytest.mark.parametrize("body", [b"", b"\n \n", b"[]", gzip.compress(b"", mtime=0)])
def test_an_empty_body_brings_nothing(
    client: Client, shared_database: Database, body: bytes
) -> None:
    before = kept(shared_database)
    encoding = {"content_encoding": "gzip"} if body.startswith(b"\x1f") else {}
    got = client.post("/events", body, **encoding)
    assert (got.status, _outcomes(got.json)) == (200, [])
    assert kept(shared_database) == before


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip"])
def test_a_body_may_be_packed(client: Client, encoding: str) -> None:
    packed = gzip.compress(ndjson(*_entries(f"cust_{encoding}")))
    got = client.post("/events", packed, content_encoding=encoding)
    assert _outcomes(got.json) == ["appended"] * 3


def test_a_packed_body_may_have_several_members(client: Client) -> None:
    items = _entries("cust_members", 4)
    text = ndjson(*items)
    packed = b"".join(gzip.compress(text[start : start + 500]) for start in range(0, 9_000, 500))
    got = client.post("/events", packed, content_encoding="gzip")
    assert _outcomes(got.json) == ["appended"] * 4


def test_members_of_a_packed_body_need_no_newline_between_them(client: Client) -> None:
    items = _entries("cust_members_on_one_line", 4)
    packed = b"".join(gzip.compress(encoded(each)) for each in items)
    got = client.post("/events", packed, content_encoding="gzip")
    assert _outcomes(got.json) == ["appended"] * 4


def test_a_packed_body_may_be_filled_up_with_zeros_as_a_packed_file_may(client: Client) -> None:
    one, two = (gzip.compress(ndjson(each)) for each in _entries("cust_zeros", 2))
    # More than is unpacked at once.
    packed = one + b"\0" * 20_000 + two + b"\0"
    got = client.post("/events", packed, content_encoding="gzip")
    assert _outcomes(got.json) == ["appended"] * 2


def test_the_deliveries_before_a_break_in_a_gzip_body_are_kept_and_reported(
    client: Client, shared_database: Database
) -> None:
    head, _ = kept(shared_database)
    items = _entries("cust_broken", 2_500)
    packed = gzip.compress(ndjson(*items))
    got = client.post("/events", packed[: len(packed) * 9 // 10], content_encoding="gzip")
    assert got.refusal == (400, "file_corrupt")
    assert "the gzip stream is truncated" in got.problem["detail"]
    assert "The deliveries before the break are safely in the log" in got.problem["hint"]
    assert head + 1_000 <= kept(shared_database)[0] < head + 2_500
    # As the hint says.
    again = client.post("/events", packed, content_encoding="gzip")
    outcomes = _outcomes(again.json)
    assert {*outcomes} == {"appended", "duplicate"}
    assert outcomes.count("duplicate") >= 1_000
    assert kept(shared_database)[0] == head + 2_500


@pytest.mark.parametrize(
    "body",
    [b"no gzip at all", gzip.compress(b"{}", mtime=0)[:5], gzip.compress(b"{}", mtime=0) + b"more"],
)
def test_a_body_with_a_false_content_encoding_is_refused(client: Client, body: bytes) -> None:
    got = client.post("/events", body, content_encoding="gzip")
    assert got.refusal == (400, "file_corrupt")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_an_unknown_content_encoding_is_refused(
    client: Client, shared_database: Database, encoding: str
) -> None:
    before = kept(shared_database)
    got = client.post("/events", ndjson(*_entries("cust_br")), content_encoding=encoding)
    assert got.refusal == (415, "encoding_unknown")
    assert kept(shared_database) == before


def test_a_body_may_come_in_chunks_of_any_size(client: Client) -> None:
    def parts(text: bytes) -> Iterator[bytes]:
        for start in range(0, len(text), 97):
            yield text[start : start + 97]

    text = ndjson(*_entries("cust_parts", 20))
    got = client.ask("POST", "/events", parts(text), transfer_encoding="chunked")
    assert _outcomes(got.json) == ["appended"] * 20
    packed = gzip.compress(ndjson(*_entries("cust_packed_parts", 20)))
    headers = {"transfer_encoding": "chunked", "content_encoding": "gzip"}
    got = client.ask("POST", "/events", parts(packed), **headers)
    assert _outcomes(got.json) == ["appended"] * 20


def test_a_body_of_many_batches_is_taken_whole(client: Client) -> None:
    got = client.post("/events", ndjson(*_entries("cust_many", 3_000)))
    assert _outcomes(got.json) == ["appended"] * 3_000
    positions = [each["position"] for each in got.json["items"]]
    assert positions == list(range(positions[0], positions[0] + 3_000))


def test_options_say_what_deliveries_do_not(client: Client) -> None:
    bare = {"customer": {"id": "cust_told"}, "segment": segment("seg_1")}
    said = (
        "?project=proj_told&type=customer.segment.entered&occurred_at=2024-05-06T07:08:09%2B02:00"
    )
    got = client.post(f"/events{said}", ndjson(encoded(bare)))
    assert _outcomes(got.json) == ["appended"]
    path = f"/customers/cust_told?min_position={got.json['last_position']}"
    answer = client.get(path).json
    assert answer["project_id"] == "proj_told"
    assert [each["entered_at"] for each in answer["segments"]] == ["2024-05-06T05:08:09.000Z"]


def test_an_incomplete_delivery_without_defaults_is_quarantined(client: Client) -> None:
    bare = {"customer": {"id": "cust_untold"}, "segment": segment("seg_1")}
    got = client.post("/events", ndjson(encoded(bare)))
    assert _outcomes(got.json) == ["quarantined"]


OPTIONS = {
    "an unknown one": ("?projekt=p", "bad_query"),
    "one that is there twice": ("?project=p&project=q", "bad_query"),
    "an empty project": ("?project=", "bad_query"),
    "an empty customer": ("?customer=", "bad_query"),
    "a customer with a NUL": ("?customer=%00", "bad_identifier"),
    "a project that is too long": ("?project=" + "p" * 201, "bad_query"),
    "a project with a NUL": ("?project=%00", "bad_identifier"),
    "a type with a NUL": ("?type=a%00", "bad_identifier"),
    "no time": ("?occurred_at=yesterday", "bad_instant"),
    "a time without its offset": ("?occurred_at=2024-01-01T00:00:00", "bad_instant"),
}


@pytest.mark.parametrize(("query", "code"), OPTIONS.values(), ids=OPTIONS)
def test_options_that_are_wrong_are_refused_and_nothing_is_stored(
    client: Client, shared_database: Database, query: str, code: str
) -> None:
    before = kept(shared_database)
    got = client.post(f"/events{query}", ndjson(*_entries("cust_wrong")))
    assert got.refusal == (400, code)
    assert kept(shared_database) == before


def test_a_page_of_activity_is_as_many_items_as_it_has_entries(client: Client) -> None:
    entries = [in_shape("activity", each) for each in _entries("cust_page")]
    page = {"object": "list", "data_ref": "data", "data": entries}
    got = client.post("/events?project=proj_1", ndjson(encoded(page), created("cust_page", at=_AT)))
    assert _outcomes(got.json) == ["appended"] * 4


def test_the_sample_has_the_same_report_over_http_and_on_the_command_line(
    server: Server, sqlite_url: str
) -> None:
    got = server.client.post(f"/events?project={_SAMPLE_PROJECT}", _SAMPLE.read_bytes())
    _outcomes(got.json)
    server = Server(server.process, sqlite_url, server.folder, server.port)
    told = server.command("ingest", str(_SAMPLE), "--project", _SAMPLE_PROJECT, "--json").json
    counts = ("read", "appended", "duplicates", "conflicts", "quarantined")
    assert [got.json[each] for each in counts] == [told[each] for each in counts]
    assert [got.json[each] for each in counts] == [30, 24, 3, 1, 2]


def test_an_activity_is_about_the_customer_in_the_query(client: Client) -> None:
    nameless = in_shape("activity", delivery("customer.created", None, at=_AT))
    theirs = in_shape("activity", created("cust_theirs", at=_AT))
    page = {"object": "list", "data_ref": "data", "data": [nameless, theirs], "has_more": False}
    got = client.post("/events?project=proj_1&customer=cust_asked", encoded(page))
    assert _outcomes(got.json) == ["appended", "quarantined"]
    assert got.json["items"][1]["reason"] == "other_customer"
    head = got.json["last_position"]
    assert client.get(f"/customers/cust_asked?min_position={head}").json["complete"] is True
