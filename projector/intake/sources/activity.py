"""Reads entries of a customer's activity (REST backfill), and minimal envelopes. PURE.

Both are `{id, type, created_at, data}`; an activity entry nests its facts once more, in
`data.data`, and has a `group_id`. Pages of entries are split into events.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from projector.envelope import DeliveryDefaults, Shape
from projector.facts import sendings
from projector.facts.observations import OBSERVATIONS
from projector.intake.sources.header import Header, Unreadable, data_part, is_event_id
from projector.intake.sources.raw_envelope import RawEnvelope
from projector.text.jsontext import is_array, is_object

_OBJECT_ID = re.compile(
    r"(?:camp|cust|distr|event|ltr|ord|prod|promo|proj|pub|rew|rf|rr|r|seg|sku|v|whs|wh)_"
)


class _Page(Struct, gc=False):
    data: list[Raw]


def is_page(header: Header) -> bool:
    """Return whether a body is a page of a list."""
    is_list = header.object == "list" and is_array(header.data)
    return is_list and header.data_ref in (None, "data")


def entries(text: str) -> list[str]:
    """Return the entries of a page, each as its unchanged JSON text; raises Unreadable."""
    try:
        page = msgspec.json.decode(text, type=_Page)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This page is not readable JSON: {error}.") from None
    return [bytes(entry).decode() for entry in page.data]


def is_entry(header: Header, defaults: DeliveryDefaults) -> bool:
    """Return whether a body is an activity entry or a minimal envelope.

    An order or another object may have a type and data as well. So something else must show that
    this is an event: its time, its id or its type, the facts of a customer, a project. The page of
    an entry says nothing: an entry of which a retry knows no page must be read in the same way.
    """
    if not is_object(header.data) or (header.type or defaults.type) is None:
        return False
    if header.object is not None or _is_object_id(header.id):
        return False
    states_both = header.type is not None and header.created_at is not None
    return (
        states_both
        or (isinstance(header.type, str) and "." in header.type)
        or is_event_id(header.id)
        or header.group_id is not None
        or header.project_id is not None
        or _has_facts(header)
    )


def _is_object_id(value: object) -> bool:
    """Return whether a value is the id of an object in Voucherify that an event may mention."""
    return isinstance(value, str) and _OBJECT_ID.match(value) is not None


def _has_facts(header: Header) -> bool:
    data = data_part(header.data)
    return data.customer is not None or is_object(data.data)


def to_raw_envelope(header: Header, defaults: DeliveryDefaults) -> RawEnvelope:
    """Extract the raw envelope of an activity entry or a minimal envelope."""
    data = data_part(header.data)
    nested = is_object(data.data)
    facts = data.data if nested else header.data
    customer = data_part(facts).customer if nested else data.customer
    return RawEnvelope(
        source=_shape(header, nested=nested),
        project_id=header.project_id or defaults.project_id,
        event_id=header.id,
        type=header.type or defaults.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=header.created_at or defaults.occurred_at,
        content=memoryview(facts),
    )


def _shape(header: Header, *, nested: bool) -> Shape:
    if header.type == sendings.TYPE:
        return Shape.SENDING
    if nested or header.group_id is not None:
        return Shape.ACTIVITY
    is_observation = isinstance(header.type, str) and header.type in OBSERVATIONS
    return Shape.RECONCILE if is_observation else Shape.MINIMAL
