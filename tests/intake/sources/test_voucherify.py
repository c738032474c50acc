"""Webhooks: the event names and dates itself, the sending does not."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    as_bytes,
    distribution,
    event_part,
    filed,
    project_webhook,
    segment_data,
)


def test_a_distribution_webhook_is_filed_by_its_event() -> None:
    delivery = distribution()
    assert filed(delivery) == Envelope(
        project_id="proj_1",
        event_id="evcus_1",
        type="customer.segment.entered",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="webhook",
        body=as_bytes(delivery).decode(),
        sender="distr_1",
    )


def test_a_project_webhook_is_filed_by_its_event() -> None:
    delivery = project_webhook()
    assert filed(delivery) == Envelope(
        project_id="proj_1",
        event_id="evcus_1",
        type="customer.updated",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="webhook",
        body=as_bytes(delivery).decode(),
        sender="wh_1",
    )


def test_two_sendings_of_one_event_have_one_identity_and_one_time() -> None:
    first = filed(distribution(id="whs_1", created_at="2025-10-16T16:54:12Z"))
    again = filed(distribution(id="whs_2", created_at="2025-10-17T16:54:12Z"))
    assert (first.event_id, first.occurred_at) == (again.event_id, again.occurred_at)


@pytest.mark.parametrize("free_text", ["", "customer.segment.left", "Ganz frei", None, 7])
def test_the_type_that_a_user_typed_is_never_the_events(free_text: object) -> None:
    assert filed(distribution(type=free_text)).type == "customer.segment.entered"


def test_a_project_webhook_without_the_events_type_has_it_at_the_top() -> None:
    assert filed(project_webhook(event=event_part(type=ABSENT))).type == "customer.updated"


def test_a_distribution_without_the_events_type_takes_the_callers_not_the_typed_one() -> None:
    delivery = distribution(event=event_part(type=ABSENT))
    assert (
        filed(delivery, DeliveryDefaults(type="customer.segment.left")).type
        == "customer.segment.left"
    )


def test_the_body_is_believed_before_the_caller() -> None:
    caller = DeliveryDefaults(
        project_id="proj_9", type="customer.deleted", occurred_at=HAPPENED_AT.replace(year=2000)
    )
    item = filed(distribution(), caller)
    assert (item.project_id, item.type) == ("proj_1", "customer.segment.entered")
    assert item.occurred_at == HAPPENED_AT


def test_the_caller_fills_in_the_project_and_the_time() -> None:
    delivery = distribution(project_id=ABSENT, event=event_part(created_at=None))
    item = filed(
        delivery, DeliveryDefaults(project_id="proj_9", occurred_at=HAPPENED_AT.replace(year=2000))
    )
    assert item.project_id == "proj_9"
    assert item.occurred_at == HAPPENED_AT.replace(year=2000)


@pytest.mark.parametrize(
    ("data", "entity_id", "customer_id"),
    [
        pytest.param(segment_data(), "cust_9", "cust_1", id="the facts come first"),
        pytest.param(segment_data(customer=ABSENT), "cust_9", "cust_9", id="no customer"),
        pytest.param(segment_data(customer=None), "cust_9", "cust_9", id="customer is null"),
        pytest.param(segment_data(customer={}), "cust_9", "cust_9", id="customer without id"),
        pytest.param(segment_data(customer={"id": None}), "cust_9", "cust_9", id="id is null"),
        pytest.param(segment_data(customer={"id": ""}), "cust_9", "cust_9", id="id is empty"),
        pytest.param(segment_data(customer="cust_2"), "cust_9", "cust_9", id="customer is text"),
        pytest.param([], "cust_9", "cust_9", id="data is an array"),
        pytest.param(None, "cust_9", "cust_9", id="data is null"),
        pytest.param(ABSENT, "cust_9", "cust_9", id="no data"),
        pytest.param(segment_data(customer=ABSENT), "v_1", None, id="the entity is a voucher"),
        pytest.param(segment_data(customer=ABSENT), "CUST_9", None, id="the prefix has its case"),
        pytest.param(segment_data(customer=ABSENT), 9, None, id="the entity is a number"),
        pytest.param(segment_data(customer=ABSENT), ["cust_9"], None, id="the entity is a list"),
        pytest.param(segment_data(customer=ABSENT), None, None, id="the entity is null"),
        pytest.param(segment_data(customer=ABSENT), ABSENT, None, id="no entity"),
    ],
)
def test_the_customer_is_the_one_of_the_facts_or_else_the_entity(
    data: Any, entity_id: Any, customer_id: str | None
) -> None:
    delivery = distribution(data=data, event=event_part(entity_id=entity_id))
    assert filed(delivery).customer_id == customer_id


@pytest.mark.parametrize(
    "type_", ["voucher.created", "redemption.succeeded", "customer.rewarded", "ganz.neu"]
)
def test_events_of_unread_types_are_filed(type_: str) -> None:
    assert filed(project_webhook(type=type_, event=event_part(type=type_))).type == type_


@pytest.mark.parametrize("sender", [ABSENT, None, "distribution", [], {"object": 5}, {}])
def test_a_webhook_of_an_unknown_sender_is_filed_by_its_event(sender: Any) -> None:
    item = filed(distribution(source=sender))
    assert (item.event_id, item.type) == ("evcus_1", "customer.segment.entered")


def test_custom_keys_of_a_webhook_do_not_matter() -> None:
    delivery = distribution(note="hello", object="whatever", group_id=["x"], time={"a": 1})
    assert filed(delivery).event_id == "evcus_1"


def test_the_layout_of_the_text_does_not_matter_and_is_kept() -> None:
    pretty = as_bytes(distribution()).replace(b", ", b",\r\n\t ").replace(b"{", b"{\n  ")
    assert filed(pretty).event_id == "evcus_1"
