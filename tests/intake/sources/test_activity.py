"""Entries of the activity, pages of them, and minimal envelopes."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    activity,
    as_bytes,
    filed,
    minimal,
    page,
    read_all,
    segment_data,
    tier_data,
)

_CALLER = DeliveryDefaults(project_id="proj_1")


def test_an_entry_is_filed_under_the_callers_project() -> None:
    entry = activity()
    assert filed(entry, _CALLER) == Envelope(
        project_id="proj_1",
        event_id="evcus_1",
        type="customer.segment.entered",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="activity",
        body=as_bytes(entry).decode(),
    )


def test_an_entry_may_hold_its_facts_un_nested() -> None:
    item = filed(activity(data=segment_data()), _CALLER)
    assert (item.source, item.customer_id) == ("activity", "cust_1")


def test_the_time_of_an_entry_is_its_own_and_not_the_tiers() -> None:
    entry = activity(type="customer.loyalty.tier.joined", data={"data": tier_data()})
    assert filed(entry, _CALLER).occurred_at == HAPPENED_AT


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({}, id="empty"),
        pytest.param({"customer": None}, id="customer is null"),
        pytest.param({"customer": "cust_1"}, id="customer is text"),
        pytest.param({"customer": {"id": None}}, id="id is null"),
    ],
)
def test_an_activity_entry_without_a_customer_is_filed(facts: Any) -> None:
    assert filed(activity(data={"data": facts}), _CALLER).customer_id is None


def test_a_page_gives_its_entries_in_order_each_as_it_came() -> None:
    entries = [activity(id=f"evcus_{number}") for number in range(3)]
    items = read_all(page(*entries), _CALLER)
    assert [item.event_id for item in items] == ["evcus_0", "evcus_1", "evcus_2"]
    assert [item.body for item in items] == [as_bytes(entry).decode() for entry in entries]


def test_the_text_of_an_entry_is_cut_out_of_its_page_byte_for_byte() -> None:
    entry = (
        b'{ "created_at":"2025-10-16T16:54:11.700Z",\n'
        b'"id" : "e\\u0301 \xc3\xa9", "type":"t", "data":{ "n":1.50 }}'
    )
    [item] = read_all(b'{"object":"list","data":[ ' + entry + b" ]}", _CALLER)
    assert isinstance(item, Envelope)
    assert item.body.encode() == entry
    assert item.event_id == "e\u0301 \u00e9"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="the last one"),
        pytest.param({"has_more": True, "more_starting_after": "evcus_1"}, id="more to come"),
        pytest.param({"data_ref": ABSENT, "has_more": ABSENT}, id="by its object alone"),
    ],
)
def test_a_page_of_activity_is_recognised_by_its_object(changes: dict[str, Any]) -> None:
    assert len(read_all(page(activity(), activity(), **changes), _CALLER)) == 2


def test_an_empty_page_is_no_event() -> None:
    assert read_all(page(), _CALLER) == []


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        pytest.param(page(activity()), "unknown_shape", id="a page within the page"),
        pytest.param([activity()], "unknown_shape", id="an array"),
        pytest.param("text", "unknown_shape", id="text"),
        pytest.param(None, "unknown_shape", id="null"),
        pytest.param(1e300, "unknown_shape", id="a number"),
        pytest.param({}, "unknown_shape", id="an empty object"),
        pytest.param(activity(created_at="2024-01-01T00:00:00"), "naive_time", id="naive"),
    ],
)
def test_an_entry_that_cannot_be_read_stops_none_of_its_page(entry: Any, reason: str) -> None:
    before, bad, after = read_all(page(activity(), entry, activity()), _CALLER)
    assert isinstance(before, Envelope)
    assert isinstance(after, Envelope)
    assert isinstance(bad, Rejected)
    assert (bad.reason, bad.body, bad.defaults) == (reason, as_bytes(entry), _CALLER)


def test_a_broken_page_is_kept_whole() -> None:
    body = as_bytes(page(activity(), activity()))[:-3]
    [item] = read_all(body, _CALLER)
    assert isinstance(item, Rejected)
    assert (item.reason, item.body) == ("broken_json", body)


def test_a_minimal_envelope_is_filed() -> None:
    delivery = minimal()
    assert filed(delivery) == Envelope(
        project_id="proj_1",
        event_id="evcus_1",
        type="customer.segment.entered",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="minimal",
        body=as_bytes(delivery).decode(),
    )


def test_a_minimal_envelope_without_a_project_takes_the_callers() -> None:
    item = filed(minimal(project_id=ABSENT), DeliveryDefaults(project_id="proj_9"))
    assert item.project_id == "proj_9"


def test_a_minimal_envelope_keeps_its_own_project() -> None:
    assert filed(minimal(), DeliveryDefaults(project_id="proj_9")).project_id == "proj_1"


def test_a_minimal_envelope_without_an_id_is_named_by_its_facts() -> None:
    one, again = filed(minimal(id=ABSENT)), filed(minimal(id=None, note="sent again"))
    assert one.event_id == again.event_id
    assert one.event_id.startswith("sha256:")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"data": segment_data(segment={"id": "seg_2"})}, id="facts"),
        pytest.param({"type": "customer.segment.left"}, id="type"),
        pytest.param({"created_at": "2025-10-16T16:54:11.701Z"}, id="time"),
    ],
)
def test_without_an_id_other_facts_are_another_event(changes: dict[str, Any]) -> None:
    one, other = filed(minimal(id=ABSENT)), filed(minimal(id=ABSENT, **changes))
    assert one.event_id != other.event_id


def test_without_an_id_one_instant_written_in_two_ways_is_one_event() -> None:
    one = filed(minimal(id=ABSENT))
    other = filed(minimal(id=ABSENT, created_at="2025-10-16T18:54:11.700000+02:00"))
    assert one.event_id == other.event_id


def test_the_callers_type_fills_in_for_a_minimal_envelope_without_one() -> None:
    item = filed(minimal(type=ABSENT), DeliveryDefaults(type="customer.segment.left"))
    assert item.type == "customer.segment.left"
