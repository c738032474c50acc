"""No sender can give an id or a source of the program's own."""

from typing import Any

import pytest

from projector.envelope import (
    ERASED_SOURCE,
    OWN_SOURCE,
    DeliveryDefaults,
    Envelope,
    Shape,
    id_problem,
    sent_id_problem,
)
from projector.errors import BadIdentifier
from projector.intake.defaults import parse_defaults
from tests.support.shapes import (
    activity,
    as_bytes,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    offer_data,
    page,
    project_webhook,
    read_all,
    rejected,
    segment_data,
)

_HOME = DeliveryDefaults(project_id="proj_1")
_BARE = DeliveryDefaults(project_id="proj_1", type="customer.segment.entered")
_ID = "erased:7"
_HER = segment_data(customer={"id": _ID})

_EVENTS: dict[str, Any] = {
    "a distribution": distribution(event=event_part(id=_ID)),
    "an offer": distribution(event=event_part(id=_ID), data=offer_data()),
    "a project's webhook": project_webhook(event=event_part(id=_ID)),
    "an entry of activity": activity(id=_ID),
    "a minimal envelope": minimal(id=_ID),
    "a CloudEvent": cloudevent(id=_ID),
    "an escaped colon": as_bytes(minimal(id=_ID)).replace(b"erased:", b"erased\\u003a"),
}
_CUSTOMERS: dict[str, Any] = {
    "a distribution": distribution(data=_HER),
    "a project's webhook": project_webhook(data=_HER),
    "an entry of activity": activity(data={"data": _HER}),
    "a minimal envelope": minimal(data=_HER),
    "a CloudEvent": cloudevent(data=_HER),
    "bare facts": {**_HER, "created_at": "2024-01-01T00:00:00Z"},
}


@pytest.mark.parametrize("body", _EVENTS.values(), ids=_EVENTS)
def test_an_event_cannot_have_the_id_of_a_marker(body: Any) -> None:
    item = rejected(body, _HOME)
    assert item.reason == "bad_id"
    assert item.detail == (
        "The delivery's id begins with 'erased:', which is kept for what was erased."
    )


@pytest.mark.parametrize("body", _CUSTOMERS.values(), ids=_CUSTOMERS)
def test_a_customer_cannot_have_the_name_of_an_erased_stream(body: Any) -> None:
    item = rejected(body, _BARE)
    assert item.reason == "bad_id"
    assert item.detail.startswith("The customer's id begins with 'erased:'")


def test_nor_can_one_whom_the_caller_names() -> None:
    """The options of `ingest` are refused at once; another caller's word goes to the quarantine."""
    with pytest.raises(BadIdentifier, match="kept for what was erased"):
        parse_defaults(None, None, None, _ID)
    nobodys = activity(data={"data": segment_data(customer=None)})
    item = rejected(nobodys, DeliveryDefaults(project_id="proj_1", customer_id=_ID))
    assert item.reason == "bad_id"


@pytest.mark.parametrize(
    "identifier", ["erased", "erased_1", "ERASED:1", " erased:1", "x:erased:1"]
)
def test_ids_that_are_only_like_it_are_any_others(identifier: str) -> None:
    assert sent_id_problem(identifier) is None
    assert filed(minimal(id=identifier)).event_id == identifier


def test_only_ids_of_events_and_customers_are_reserved() -> None:
    """A project or a type may be named so: nothing of ours is looked up by it."""
    assert id_problem(_ID) is None
    assert filed(minimal(project_id=_ID, type=_ID)).project_id == _ID


@pytest.mark.parametrize("source", [ERASED_SOURCE, OWN_SOURCE])
def test_a_delivery_does_not_choose_its_source(source: str) -> None:
    """Whatever it has by this name; the source is that of its shape."""
    assert source not in list(Shape)
    bodies = (distribution, project_webhook, activity, cloudevent, minimal)
    items = [item for make in bodies for item in read_all(make(source=source), _HOME)]
    items += read_all(page(activity(source=source), source=source), _HOME)
    items += read_all({**segment_data(), "source": source}, _BARE)
    found = {each.source for each in items if isinstance(each, Envelope)}
    assert len(found) >= 4
    assert found <= set(Shape)
