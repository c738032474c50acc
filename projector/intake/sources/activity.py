"""Reads entries of a customer's activity (REST backfill), and minimal envelopes. PURE.

Both are `{id, type, created_at, data}`; an activity entry nests its facts once more, in
`data.data`, and has a `group_id`. Pages of entries are split into events.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from projector.envelope import DeliveryDefaults, Shape
from projector.intake.sources.header import Header, Unreadable, data_part
from projector.intake.sources.raw_envelope import RawEnvelope
from projector.text.jsontext import is_array, is_object


class _Page(Struct, gc=False):
    data: list[Raw]


def is_page(header: Header) -> bool:
    """Return whether a body is a page of a list."""
    return header.object == "list" and is_array(header.data)


def entries(text: str) -> list[str]:
    """Return the entries of a page, each as its unchanged JSON text; raises Unreadable."""
    try:
        page = msgspec.json.decode(text, type=_Page)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This page is not readable JSON: {error}.") from None
    return [bytes(entry).decode() for entry in page.data]


def is_entry(header: Header, defaults: DeliveryDefaults) -> bool:
    """Return whether a body is an activity entry or a minimal envelope."""
    return is_object(header.data) and (header.type or defaults.type) is not None


def to_raw_envelope(header: Header, defaults: DeliveryDefaults) -> RawEnvelope:
    """Extract the raw envelope of an activity entry or a minimal envelope."""
    data = data_part(header.data)
    nested = is_object(data.data)
    facts = data.data if nested else header.data
    customer = data_part(facts).customer if nested else data.customer
    return RawEnvelope(
        source=Shape.ACTIVITY if nested or header.group_id is not None else Shape.MINIMAL,
        project_id=header.project_id or defaults.project_id,
        event_id=header.id,
        type=header.type or defaults.type,
        customer_id=customer.id if customer is not None else None,
        occurred_at=header.created_at or defaults.occurred_at,
        content=memoryview(facts),
    )
