"""Deliveries of every shape, as their senders write them; a test changes what it is about."""

import json
from datetime import UTC, datetime
from typing import Any

from projector.envelope import NO_DEFAULTS, DeliveryDefaults, Envelope, Rejected
from projector.intake import sources

#: As a change to a builder: the key is left out.
ABSENT: Any = object()

JSON = dict[str, Any]

HAPPENED_AT = datetime(2025, 10, 16, 16, 54, 11, 700_000, tzinfo=UTC)


def changed(whole: JSON, changes: JSON) -> JSON:
    """The object with some keys set anew, or left out."""
    return {key: value for key, value in {**whole, **changes}.items() if value is not ABSENT}


def segment_data(**changes: Any) -> JSON:
    """The data of a segment event: a customer in the full shape and a segment."""
    customer = {
        "id": "cust_1",
        "source_id": "alex@test",
        "name": "Alex Test",
        "email": None,
        "metadata": {"lang": "en"},
        # The customer's birth, which is not when the event happened.
        "created_at": "2019-01-01T00:00:00.000Z",
        "object": "customer",
    }
    segment = {"id": "seg_1", "name": "New Customers", "object": "segment"}
    return changed({"customer": customer, "segment": segment}, changes)


def offer_data(**changes: Any) -> JSON:
    """The data of a segment event whose distribution published a code to the customer."""
    publication = {
        "id": "pub_1",
        "object": "publication",
        "created_at": "2025-10-16T16:54:11.750Z",
        "customer_id": "cust_1",
        "channel": "Automation",
        "customer": {"id": "cust_1", "email": "alex@test"},
        "result": "SUCCESS",
    }
    whole = segment_data(
        campaign={"id": "camp_2", "name": "Spring", "object": "campaign"},
        voucher={"id": "v_1", "code": "SPRING-1", "object": "voucher"},
        publication=publication,
    )
    return changed(whole, changes)


def sender(distribution_id: Any = "distr_1", **changes: Any) -> JSON:
    """The `source` of a distribution's webhook."""
    whole = {"id": distribution_id, "object": "distribution", "target_url": "https://shop.test"}
    return changed(whole, changes)


def tier_data(**changes: Any) -> JSON:
    """The data of a tier event: a customer in the simple shape, a campaign and a tier."""
    tier = {
        "id": "ltr_1",
        "name": "Loyal silver",
        "campaign_id": "camp_1",
        "points": {"from": 151, "to": 250},
        # When the tier was defined.
        "created_at": "2020-02-02T00:00:00.000Z",
    }
    whole = {
        "customer": {"id": "cust_1", "object": "customer"},
        "campaign": {"id": "camp_1", "name": "Loyalty programme"},
        "loyalty_tier": tier,
        "created_at": "2024-03-14T09:29:32.501Z",
    }
    return changed(whole, changes)


def event_part(**changes: Any) -> JSON:
    """The `event` object of a webhook."""
    whole = {
        "id": "evcus_1",
        "type": "customer.segment.entered",
        "created_at": "2025-10-16T16:54:11.700Z",
        "entity_id": "cust_1",
        "group_id": "v-1",
        "event_source": {"channel": "API", "api_key": {"name": "Key"}},
    }
    return changed(whole, changes)


def distribution(**changes: Any) -> JSON:
    """A distribution's webhook: the type at the top is what a user typed."""
    sender = {"id": "distr_1", "object": "distribution", "target_url": "https://shop.test/hook"}
    whole = {
        "id": "whs_1",
        "project_id": "proj_1",
        "created_at": "2025-10-16T16:54:59.999Z",
        "type": "our nice segment hook",
        "source": sender,
        "event": event_part(),
        "data": segment_data(),
    }
    return changed(whole, changes)


def project_webhook(**changes: Any) -> JSON:
    """A project's webhook."""
    sender = {"id": "wh_1", "object": "webhook", "target_url": "https://shop.test/hook"}
    whole = distribution(
        type="customer.updated",
        source=sender,
        event=event_part(type="customer.updated"),
        data={"customer": segment_data()["customer"]},
    )
    return changed(whole, changes)


def activity(**changes: Any) -> JSON:
    """An entry of a customer's activity, its facts nested."""
    whole = {
        "id": "evcus_1",
        "type": "customer.segment.entered",
        "created_at": "2025-10-16T16:54:11.700Z",
        "group_id": "v-1",
        "data": {"data": segment_data(), "event_source": {"channel": "API"}},
    }
    return changed(whole, changes)


def page(*entries: Any, **changes: Any) -> JSON:
    """A page of activity."""
    whole = {"object": "list", "data_ref": "data", "data": list(entries), "has_more": False}
    return changed(whole, changes)


def cloudevent(**changes: Any) -> JSON:
    """A CloudEvent in structured JSON."""
    whole = {
        "specversion": "1.0",
        "id": "evcus_1",
        "source": "https://api.voucherify.test/v1/projects/proj_1",
        "type": "customer.segment.entered",
        "time": "2025-10-16T16:54:11.700Z",
        "datacontenttype": "application/json",
        "data": segment_data(),
    }
    return changed(whole, changes)


def minimal(**changes: Any) -> JSON:
    """The smallest envelope."""
    whole = {
        "id": "evcus_1",
        "type": "customer.segment.entered",
        "created_at": "2025-10-16T16:54:11.700Z",
        "project_id": "proj_1",
        "data": segment_data(),
    }
    return changed(whole, changes)


def as_bytes(value: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(value).encode()


def read_all(
    body: Any, given: DeliveryDefaults = NO_DEFAULTS, **more: Any
) -> list[Envelope | Rejected]:
    """Read a delivery, given as bytes or as what JSON can hold."""
    return sources.read(body if isinstance(body, bytes) else as_bytes(body), given, **more)


def filed(body: Any, given: DeliveryDefaults = NO_DEFAULTS, **more: Any) -> Envelope:
    """Read one delivery that can be filed; its body must be kept as it came."""
    [item] = read_all(body, given, **more)
    assert isinstance(item, Envelope), item
    assert item.body.encode() == (body if isinstance(body, bytes) else as_bytes(body))
    return item


def rejected(body: Any, given: DeliveryDefaults = NO_DEFAULTS) -> Rejected:
    """Read one delivery that cannot be filed; body and caller's word must be kept as they came."""
    [item] = read_all(body, given)
    assert isinstance(item, Rejected), item
    assert item.body == (body if isinstance(body, bytes) else as_bytes(body))
    assert item.defaults == given
    assert item.detail.endswith("."), "the detail is a sentence"
    return item
