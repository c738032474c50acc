"""What cannot be filed: each reason has its code and a sentence, the body is kept as it came."""

from typing import Any

import pytest

from projector.envelope import BODY_BYTES_MAX, DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from tests.support.shapes import (
    ABSENT,
    activity,
    as_bytes,
    changed,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    page,
    project_webhook,
    read_all,
    rejected,
)

_LEGACY = {
    "id": "evt_1",
    "object": "event",
    "type": "customer.created",
    "data": {"object": {"id": "cust_1", "object": "customer"}},
}


@pytest.mark.parametrize(
    ("body", "reason", "said"),
    [
        pytest.param(b"\xff\xfe", "not_utf8", "Byte 0 ", id="UTF-16"),
        pytest.param(b'{"id":"\xed\xa0\x80"}', "not_utf8", "Byte 7 ", id="a raw surrogate"),
        pytest.param(b"", "broken_json", "not readable", id="nothing"),
        pytest.param(b"{", "broken_json", "not readable", id="cut off"),
        pytest.param(b"{}}", "broken_json", "not readable", id="too long"),
        pytest.param(b"{'id': 1}", "broken_json", "not readable", id="Python's quotes"),
        pytest.param(b'{"id": NaN}', "broken_json", "not readable", id="NaN"),
        pytest.param(b"\xef\xbb\xbf{}", "broken_json", "not readable", id="a mark before it"),
        pytest.param(b'{"id":"a\x00"}', "broken_json", "not readable", id="a raw NUL"),
        pytest.param(b'{"x":"\\ud800}', "broken_json", "not readable", id="half and broken"),
        pytest.param(b'{"event":1, oops', "broken_json", "not readable", id="wrong and broken"),
        pytest.param(b'{"x":' + b"[" * 10_000, "broken_json", "not readable", id="brackets"),
        pytest.param(b"null", "unknown_shape", "is not a delivery:", id="null"),
        pytest.param(b"17", "unknown_shape", "is not a delivery:", id="a number"),
        pytest.param(b'"text"', "unknown_shape", "is not a delivery:", id="text"),
        pytest.param(b"[]", "unknown_shape", "is not a delivery:", id="an array"),
        pytest.param(
            b"{}", "unknown_shape", "not a delivery in any known shape", id="an empty object"
        ),
        pytest.param(
            {"hello": "world"},
            "unknown_shape",
            "not a delivery in any known shape",
            id="raw payload",
        ),
        pytest.param({"event": "customer.created"}, "unknown_shape", "event", id="event is text"),
        pytest.param(
            minimal(type=ABSENT),
            "unknown_shape",
            "not a delivery in any known shape",
            id="no type at all",
        ),
        pytest.param(
            minimal(data=[]),
            "unknown_shape",
            "not a delivery in any known shape",
            id="data is an array",
        ),
        pytest.param(_LEGACY, "legacy_format", "v2024-01-01", id="the format of 2018"),
        pytest.param(distribution(event=ABSENT), "missing_id", "`event`", id="no event"),
        pytest.param(distribution(event=None), "missing_id", "`event`", id="event is null"),
        pytest.param(
            project_webhook(event=ABSENT, id=ABSENT), "missing_id", "`event`", id="by its sender"
        ),
        pytest.param(
            distribution(event=ABSENT, source=ABSENT), "missing_id", "`event`", id="by its id"
        ),
        pytest.param(
            distribution(event=event_part(id=ABSENT)), "missing_id", "no id", id="event without id"
        ),
        pytest.param(
            distribution(event=event_part(id="")), "missing_id", "no id", id="event with empty id"
        ),
        pytest.param(minimal(id=""), "missing_id", "no id", id="minimal with empty id"),
        pytest.param(
            distribution(project_id=ABSENT), "missing_project", "--project", id="no project"
        ),
        pytest.param(activity(), "missing_project", "--project", id="activity without a project"),
        pytest.param(
            distribution(event=event_part(type=ABSENT)), "missing_type", "--type", id="no type"
        ),
        pytest.param(
            distribution(event=event_part(created_at=ABSENT)),
            "missing_time",
            "--occurred-at",
            id="no time",
        ),
    ],
)
def test_an_unfiled_delivery_is_rejected_with_the_reason(body: Any, reason: str, said: str) -> None:
    item = rejected(body)
    assert item.reason == reason
    assert said in item.detail


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"a\xff", "Byte 1 is not UTF-8."),
        (b"[" * 251, "This is not readable JSON: it is nested deeper than 250 levels."),
        ({"hello": 1}, "This is JSON, but not a delivery in any known shape."),
        (
            distribution(event=ABSENT),
            "This webhook has no `event` object, which has the event's id and time.",
        ),
        (minimal(id=""), "The delivery has no id."),
        (minimal(project_id=ABSENT), "The delivery has no project. Give it with --project."),
        (
            distribution(event=event_part(type=ABSENT)),
            "The delivery has no type. Give it with --type.",
        ),
        (
            minimal(created_at=ABSENT),
            "The delivery does not say when it happened. Give it with --occurred-at.",
        ),
        (minimal(created_at=7), "The time is int, not RFC 3339 text."),
        (minimal(created_at="noon"), "The time 'noon' is not an RFC 3339 time."),
        (
            minimal(created_at="2024-01-01T00:00:00"),
            "The time '2024-01-01T00:00:00' has no offset from UTC, so the instant is unknown.",
        ),
        (minimal(id=7), "The delivery's id is int, not text."),
        (minimal(type="x" * 201), "The delivery's type has 201 characters, the limit is 200."),
        (minimal(project_id="\0"), "The delivery's project holds a NUL character."),
        (
            minimal(data={"customer": {"id": "x" * 201}}),
            "The customer's id has 201 characters, the limit is 200.",
        ),
    ],
)
def test_the_detail_of_a_rejection_is_a_sentence(body: Any, sentence: str) -> None:
    assert rejected(body).detail == sentence


def test_an_entry_of_a_page_is_refused_as_it_would_be_alone() -> None:
    given = DeliveryDefaults(project_id="proj_1")
    wrong = [7, page(activity()), activity(id=7), activity(created_at="noon"), {"hello": 1}]
    items = read_all(page(*wrong), given)
    assert items[2:] == [rejected(each, given) for each in wrong[2:]]
    assert [each.body for each in items] == [*map(as_bytes, wrong)]


@pytest.mark.parametrize("data", [ABSENT, {}, {"object": "customer"}, [1], "x"])
def test_a_body_that_only_resembles_the_legacy_format_has_an_unknown_shape(data: Any) -> None:
    assert rejected(changed(_LEGACY, {"data": data, "type": None})).reason == "unknown_shape"


def test_an_object_that_is_no_legacy_event_has_an_unknown_shape() -> None:
    assert rejected(changed(_LEGACY, {"object": "list", "type": None})).reason == "unknown_shape"


def test_a_distribution_is_known_by_its_sender() -> None:
    assert rejected(distribution(event=ABSENT, id=ABSENT)).reason == "missing_id"


def test_an_empty_time_is_none() -> None:
    assert rejected(cloudevent(time="")).reason == "missing_time"


def test_an_empty_customer_is_none() -> None:
    assert filed(minimal(data={"customer": {"id": ""}})).customer_id is None


def test_a_rejection_carries_the_known_ids() -> None:
    item = rejected(distribution(event=event_part(created_at="gestern")))
    assert (item.reason, item.project_id, item.event_id) == ("bad_time", "proj_1", "evcus_1")


def test_a_rejection_carries_no_id_that_cannot_be_stored() -> None:
    item = rejected(distribution(project_id="p\x00", event=event_part(id=["evcus_1"])))
    assert (item.project_id, item.event_id) == (None, None)


_WRONG_IDS = [
    pytest.param("x" * 201, "201 characters", id="201 characters"),
    pytest.param("x" * 1_000_000, "1000000 characters", id="a megabyte"),
    pytest.param("a\x00b", "NUL", id="NUL"),
    pytest.param(17, "int", id="an integer"),
    pytest.param(1.5, "float", id="a fraction"),
    pytest.param(int("7" * 400), "int", id="400 digits"),
    pytest.param(True, "bool", id="true"),
    pytest.param(["x"], "list", id="an array"),
    pytest.param({"x": 1}, "dict", id="an object"),
]


@pytest.mark.parametrize(("value", "said"), _WRONG_IDS)
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda value: distribution(event=event_part(id=value)), id="event"),
        pytest.param(lambda value: distribution(event=event_part(type=value)), id="type"),
        pytest.param(lambda value: distribution(project_id=value), id="project"),
        pytest.param(lambda value: minimal(data={"customer": {"id": value}}), id="customer"),
        pytest.param(lambda value: cloudevent(id=value), id="cloudevent"),
    ],
)
def test_an_invalid_identifier_is_rejected(build: Any, value: Any, said: str) -> None:
    item = rejected(build(value))
    assert item.reason == "bad_id"
    assert said in item.detail
    assert len(item.detail) < 200, "the sentence does not repeat a megabyte"


@pytest.mark.parametrize("character", ["x", "é", "€", "\U0001f600"])
def test_an_identifier_may_have_200_characters_of_any_width(character: str) -> None:
    longest = character * 200
    item = filed(
        minimal(id=longest, type=longest, project_id=longest, data={"customer": {"id": longest}})
    )
    assert (item.event_id, item.type, item.project_id, item.customer_id) == (longest,) * 4


def test_identifiers_are_taken_as_they_are() -> None:
    item = filed(minimal(id=" E\u0301 ", data={"customer": {"id": "\t"}}))
    assert (item.event_id, item.customer_id) == (" E\u0301 ", "\t")


def test_the_last_of_two_equal_keys_counts() -> None:
    body = as_bytes(minimal()).replace(b'{"id"', b'{"id": "evcus_0", "id"', 1)
    assert filed(body).event_id == "evcus_1"


def _of_size(size: int) -> bytes:
    body = as_bytes(minimal(note=""))
    return body.replace(b'"note": ""', b'"note": "' + b"x" * (size - len(body)) + b'"')


def test_a_body_of_exactly_the_limit_is_filed() -> None:
    body = _of_size(BODY_BYTES_MAX)
    assert len(body) == 1024 * 1024
    assert filed(body).event_id == "evcus_1"


def test_a_body_one_byte_over_the_limit_is_kept_and_not_filed() -> None:
    item = rejected(_of_size(BODY_BYTES_MAX + 1), DeliveryDefaults(project_id="proj_9"))
    assert item.reason == "too_large"
    assert str(BODY_BYTES_MAX + 1) in item.detail
    assert str(BODY_BYTES_MAX) in item.detail


def test_the_limit_is_in_bytes_not_in_characters() -> None:
    body = _of_size(BODY_BYTES_MAX).replace(b"xx", "é".encode(), 1)
    assert len(filed(body).body) == BODY_BYTES_MAX - 1
    assert rejected(body + b" ").reason == "too_large"


@pytest.mark.parametrize("junk", [b"[" * 3, b"\x00" * 3, b'{"id":'])
def test_junk_over_the_limit_is_too_large_whatever_it_is(junk: bytes) -> None:
    body = junk * (BODY_BYTES_MAX // len(junk) + 1)
    item = rejected(body)
    assert item.reason == "too_large"
    assert str(BODY_BYTES_MAX) in item.detail


def test_a_webhook_over_the_limit_is_too_large_though_it_can_be_read() -> None:
    body = as_bytes(distribution())
    [item] = sources.read(body, DeliveryDefaults(), body_bytes_max=len(body) - 1)
    assert isinstance(item, Rejected)
    assert item.reason == "too_large"
    assert [
        type(each) for each in sources.read(body, DeliveryDefaults(), body_bytes_max=len(body))
    ] == [Envelope]


def test_the_defaults_of_a_body_that_is_no_text_are_kept() -> None:
    given = DeliveryDefaults(project_id="proj_9")
    assert rejected(b"\xff", given).defaults == given


def test_a_page_may_be_larger_than_one_event() -> None:
    large = activity(id="large", note="x" * 700_000)
    body = as_bytes(page(large, large))
    assert len(body) > BODY_BYTES_MAX
    assert [type(item) for item in read_all(body, DeliveryDefaults(project_id="p"))] == [
        Envelope
    ] * 2


def test_an_entry_over_the_limit_stops_none_of_its_page() -> None:
    large = activity(note="x" * BODY_BYTES_MAX)
    before, bad, after = read_all(
        page(activity(), large, activity()), DeliveryDefaults(project_id="p")
    )
    assert (type(before), type(after)) == (Envelope, Envelope)
    assert isinstance(bad, Rejected)
    assert (bad.reason, bad.body) == ("too_large", as_bytes(large))


def test_the_limit_can_be_given() -> None:
    body = as_bytes(minimal())
    at, over = (
        sources.read(body, DeliveryDefaults(), body_bytes_max=len(body) - less) for less in (0, 1)
    )
    assert isinstance(at[0], Envelope)
    assert isinstance(over[0], Rejected)


def test_the_limit_is_one_of_each_entry_of_a_page() -> None:
    given = DeliveryDefaults(project_id="proj_1")
    body = as_bytes(page(activity()))
    size = len(as_bytes(activity()))
    assert size < len(body)
    [at], [over] = (sources.read(body, given, body_bytes_max=size - less) for less in (0, 1))
    assert isinstance(at, Envelope)
    assert isinstance(over, Rejected)
    assert over.detail == f"The body has {size} bytes, the limit is {size - 1}."
    assert over.defaults == given


def test_a_page_with_the_key_of_its_entries_twice_is_rejected() -> None:
    item = rejected(b'{"object": "list", "data": 7, "data": []}')
    assert (item.reason, item.detail) == (
        "broken_json",
        "This page is not readable JSON: Expected `array`, got `int` - at `$.data`.",
    )
