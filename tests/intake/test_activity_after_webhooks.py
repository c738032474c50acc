"""An activity that is fetched after the webhooks: the same events, and no conflict among them."""

from typing import Any

import pytest

from projector.envelope import DeliveryDefaults
from projector.intake.ingest import IngestReport, ingest
from projector.store.database import Database
from tests.support.shapes import (
    ABSENT,
    activity,
    as_bytes,
    changed,
    distribution,
    event_part,
    page,
    segment_data,
    tier_data,
)

_CUSTOMER = segment_data()["customer"]

#: The customer in the entry of an activity, where the webhook has the whole one.
CUSTOMERS: dict[str, Any] = {
    "as it was": _CUSTOMER,
    "changed since": {**_CUSTOMER, "name": "Alexa", "metadata": {"lang": "de", "vip": True}},
    "none": ABSENT,
    "without metadata": changed(_CUSTOMER, {"metadata": ABSENT}),
    "in the simple shape": {"id": "cust_1", "object": "customer"},
}

#: The types, each with its data but for the customer.
EVENTS: dict[str, Any] = {
    "customer.segment.entered": {"segment": segment_data()["segment"]},
    "customer.loyalty.tier.joined": changed(tier_data(), {"customer": ABSENT}),
    "customer.updated": {},
    "customer.rewarded": {"reward": {"id": "rew_1"}},
}


def _webhook(type_: str, customer: Any) -> bytes:
    data = changed(EVENTS[type_], {"customer": customer})
    return as_bytes(distribution(event=event_part(type=type_, entity_id=None), data=data))


def _activity(type_: str, customer: Any) -> bytes:
    data = changed(EVENTS[type_], {"customer": customer})
    return as_bytes(page(activity(type=type_, data={"data": data})))


def _ingested(database: Database, body: bytes, customer_id: str | None) -> IngestReport:
    caller = DeliveryDefaults(project_id="proj_1", customer_id=customer_id)
    return ingest(database, [body], caller)


@pytest.mark.parametrize("customer", CUSTOMERS.values(), ids=CUSTOMERS)
@pytest.mark.parametrize("type_", EVENTS)
def test_an_entry_repeats_its_webhook_however_it_shows_the_customer(
    wiped_database: Database, type_: str, customer: Any
) -> None:
    database = wiped_database
    assert _ingested(database, _webhook(type_, _CUSTOMER), None).appended == 1
    for caller in ("cust_1", None):
        again = _ingested(database, _activity(type_, customer), caller)
        assert (again.duplicates, again.conflicts) == (1, 0)


@pytest.mark.parametrize("customer", CUSTOMERS.values(), ids=CUSTOMERS)
@pytest.mark.parametrize("type_", EVENTS)
def test_a_webhook_repeats_its_entry_where_the_caller_named_the_customer(
    wiped_database: Database, type_: str, customer: Any
) -> None:
    database = wiped_database
    assert _ingested(database, _activity(type_, customer), "cust_1").appended == 1
    again = _ingested(database, _webhook(type_, _CUSTOMER), None)
    assert (again.duplicates, again.conflicts) == (1, 0)
