"""The customer whom the caller knows: of an activity it is in the request, not in each entry."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    activity,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    offer_data,
    page,
    read_all,
    rejected,
    segment_data,
)

_CALLER = DeliveryDefaults(
    project_id="proj_1",
    type="customer.segment.entered",
    occurred_at=HAPPENED_AT,
    customer_id="cust_1",
)
_OTHER = DeliveryDefaults(
    project_id="proj_1",
    type="customer.segment.entered",
    occurred_at=HAPPENED_AT,
    customer_id="cust_2",
)

#: A body of each shape, with data of its own.
_BUILDERS: dict[str, Any] = {
    "activity": lambda data: activity(data={"data": data}),
    "activity, not nested": lambda data: activity(data=data),
    "minimal": lambda data: minimal(data=data),
    "cloudevent": lambda data: cloudevent(data=data),
    "webhook": lambda data: distribution(event=event_part(entity_id=None), data=data),
}


@pytest.mark.parametrize("build", _BUILDERS.values(), ids=_BUILDERS)
@pytest.mark.parametrize("customer", [ABSENT, None, {}, {"id": None}, {"id": ""}, "cust_9"])
def test_a_delivery_without_a_customer_is_the_callers(build: Any, customer: Any) -> None:
    assert filed(build(segment_data(customer=customer)), _CALLER).customer_id == "cust_1"


@pytest.mark.parametrize("build", _BUILDERS.values(), ids=_BUILDERS)
def test_a_delivery_of_another_customer_is_put_aside(build: Any) -> None:
    item = rejected(build(segment_data()), _OTHER)
    assert (item.reason, item.event_id) == ("other_customer", "evcus_1")
    assert "'cust_1'" in item.detail
    assert "'cust_2'" in item.detail


@pytest.mark.parametrize("build", _BUILDERS.values(), ids=_BUILDERS)
def test_a_delivery_of_the_callers_customer_is_filed(build: Any) -> None:
    assert filed(build(segment_data()), _CALLER).customer_id == "cust_1"


def test_the_entity_of_a_webhook_is_its_customer_too() -> None:
    nameless = distribution(data=segment_data(customer=None))
    assert filed(nameless, _CALLER).customer_id == "cust_1"
    assert rejected(nameless, _OTHER).reason == "other_customer"


def test_bare_data_of_another_customer_are_put_aside() -> None:
    assert filed(segment_data(), _CALLER).customer_id == "cust_1"
    assert rejected(segment_data(), _OTHER).reason == "other_customer"


def test_an_entry_of_another_customer_stops_none_of_its_page() -> None:
    theirs = activity(id="evcus_2", data={"data": segment_data(customer={"id": "cust_2"})})
    first, second, third = read_all(page(activity(), theirs, activity()), _CALLER)
    assert isinstance(first, Envelope)
    assert isinstance(third, Envelope)
    assert getattr(second, "reason", None) == "other_customer"


def test_an_offer_is_for_the_callers_customer_too() -> None:
    body = distribution(event=event_part(entity_id=None), data=offer_data(customer=None))
    assert [getattr(item, "customer_id", None) for item in read_all(body, _CALLER)] == [
        "cust_1",
        "cust_1",
    ]


def test_a_customer_with_an_invalid_id_is_not_replaced_by_the_callers() -> None:
    assert rejected(minimal(data={"customer": {"id": 7}}), _CALLER).reason == "bad_id"
