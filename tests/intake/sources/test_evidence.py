"""A body is read as an event on more evidence than a single key."""

from typing import Any

import pytest

from projector.envelope import NO_DEFAULTS, DeliveryDefaults
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    activity,
    changed,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    project_webhook,
    read_all,
    rejected,
    segment_data,
    sender,
)

#: What a caller may say of deliveries; a type would make an event of data with a customer.
_CALLER = DeliveryDefaults(project_id="proj_1", occurred_at=HAPPENED_AT, customer_id="cust_1")
_ORDER = {
    "id": "ord_1",
    "object": "order",
    "status": "PAID",
    "created_at": "2025-10-16T16:54:11.700Z",
    "customer": {"id": "cust_1", "object": "customer"},
    "items": [],
}
_PAID = {"id": "ord_1", "type": "order.paid", "created_at": "2025-10-16T16:54:11.700Z"}

#: JSON that is no delivery, though it has keys of one.
FOREIGN: dict[str, Any] = {
    "a raw payload with an order as event": {"event": _PAID, "customer": {"email": "a@test"}},
    "the same with data and a project": {
        "event": _PAID,
        "project_id": "proj_1",
        "data": {"customer": {"id": "cust_1"}},
    },
    "a raw payload with a custom event": {
        "event": {
            "id": "event_0e70ee5acd8b2555ce",
            "object": "event",
            "type": "cart_left",
            "created_at": "2025-10-16T16:54:11.700Z",
        },
        "data": {"customer": {"id": "cust_1"}},
    },
    "an event with a number": {"event": {"id": 7, "type": "x"}, "data": {}},
    "an event without an id": {"event": {"type": "order.paid"}, "data": {}},
    "a source that is another object": {"event": _PAID, "source": {"object": "shop"}, "data": {}},
    "an order": _ORDER,
    "an order with a type": {**_ORDER, "type": "order.paid"},
    "an order with data": {**_ORDER, "type": "order.paid", "data": {"customer": {"id": "cust_1"}}},
    "an envelope of an order": {
        "id": "ord_1",
        "type": "order.paid",
        "created_at": "2025-10-16T16:54:11.700Z",
        "data": {"customer": {"id": "cust_1"}},
    },
    "another program's order": {"id": "1001", "type": "order", "data": {"total": 7}},
    "a version of something else": {"specversion": 2, "id": "1001", "type": "x"},
    "a version alone": {"specversion": "1.0", "id": "1001"},
    "a version that is none": {"specversion": "latest", "id": "1001", "type": "x"},
    "a list of vouchers": {"object": "list", "data_ref": "vouchers", "data": [], "vouchers": []},
    "a list of another program": {"object": "list", "url": "/v1/charges", "data": []},
    "a list of other objects": {"object": "list", "data": [_ORDER, {"id": "ch_1"}]},
    "half a legacy event": {"object": "event", "data": {"object": {"id": "cust_1"}}},
}


@pytest.mark.parametrize("body", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("given", [NO_DEFAULTS, _CALLER], ids=["alone", "with defaults"])
def test_another_programs_json_is_put_aside_whole(body: Any, given: DeliveryDefaults) -> None:
    item = rejected(body, given)
    assert (item.reason, item.event_id) == ("unknown_shape", None)


#: Webhooks with less than all that a genuine one has.
GENUINE: dict[str, Any] = {
    "a distribution's": distribution(),
    "a project's": project_webhook(),
    "with data from the designer": distribution(data={"To": "a@test", "Body": "Hello"}),
    "with data that are no object": distribution(data=[]),
    "without its source": distribution(source=ABSENT),
    "without its own id": distribution(id=ABSENT),
    "by the event's id alone": distribution(id=ABSENT, source=ABSENT),
    "an event of another kind": distribution(id=ABSENT, event=event_part(id="evred_1f")),
    "an event of a voucher": distribution(source=ABSENT, event=event_part(id="evvou_1")),
    "an event with any id": distribution(event=event_part(id="7")),
    "of a sender with a new kind of id": distribution(id=ABSENT, source=sender(7)),
}


@pytest.mark.parametrize("body", GENUINE.values(), ids=GENUINE)
def test_a_genuine_webhook_is_recognised_by_any_of_three_signs(body: Any) -> None:
    assert filed(body).source == "webhook"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(minimal(project_id=ABSENT), id="its type has a dot"),
        pytest.param(minimal(type="created"), id="it names a project"),
        pytest.param(minimal(type="created", project_id=ABSENT), id="the id of an event"),
        pytest.param(minimal(type="x", project_id=ABSENT, id="7"), id="a customer in its data"),
        pytest.param(minimal(type="x", project_id=ABSENT, id="7", data={}), id="type and time"),
        pytest.param(activity(type="x", id="7", data={}), id="a group"),
        pytest.param(
            activity(type="x", id="7", group_id=ABSENT, data={"data": {}}), id="nested data"
        ),
    ],
)
def test_an_envelope_is_recognised_by_any_of_its_signs(body: Any) -> None:
    assert filed(body, DeliveryDefaults(project_id="proj_1")).customer_id in ("cust_1", None)


def test_a_key_more_does_not_make_another_shape() -> None:
    """An `event` that is no event of a webhook says nothing of the rest."""
    caller = DeliveryDefaults(project_id="p", type="t", occurred_at=HAPPENED_AT)
    assert filed(minimal(event=_PAID)).event_id == "evcus_1"
    assert filed(cloudevent(event=_PAID)).source == "cloudevents"
    assert filed(segment_data(event=_PAID), caller).source == "bare"
    assert filed(changed(minimal(), {"specversion": 2})).source == "minimal"


def test_a_list_with_one_event_is_a_page() -> None:
    items = read_all({"object": "list", "data": [_ORDER, activity()]}, _CALLER)
    assert [item.event_id for item in items] == [None, "evcus_1"]


@pytest.mark.parametrize("body", [_ORDER, {**_ORDER, "data": {"customer": {"id": "cust_1"}}}])
def test_an_order_is_no_event_whatever_the_caller_says(body: Any) -> None:
    caller = DeliveryDefaults(project_id="p", type="customer.updated", occurred_at=HAPPENED_AT)
    assert rejected(body, caller).reason == "unknown_shape"


def test_by_the_callers_type_a_raw_payload_is_an_event_that_its_content_identifies() -> None:
    caller = DeliveryDefaults(project_id="p", type="customer.updated", occurred_at=HAPPENED_AT)
    for body in ({"event": _PAID, **segment_data()}, {"event": _PAID, "data": segment_data()}):
        assert filed(body, caller).event_id.startswith("sha256:")
