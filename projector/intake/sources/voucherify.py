"""Reads Voucherify webhooks of the format v2024-01-01, and recognises v2018-08-01. PURE.

Project webhooks and distributions have the same envelope. Id and time are those of `event`, never
those of the sending: the top-level `id` (`whs_…`) and `created_at` differ between two sendings of
one event, and the top-level `type` of a distribution is free text that a user typed.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from projector.envelope import DeliveryDefaults, Shape
from projector.intake.sources.header import EventPart, Header, data_part, is_event_id
from projector.intake.sources.raw_envelope import RawEnvelope
from projector.text.jsontext import is_object

LEGACY = (
    "This is a webhook of the format v2018-08-01, which lacks values that an event needs. "
    "Migrate the webhook to v2024-01-01 in Voucherify's project settings."
)


class _Sender(Struct, gc=False):
    object: str | None = None


class _SenderId(Struct, gc=False):
    id: Any = None


class _LegacyData(Struct, gc=False):
    object: Raw = Raw(b"null")


def to_raw_envelope(header: Header, event: EventPart, defaults: DeliveryDefaults) -> RawEnvelope:
    """Extract the raw envelope of a v2024-01-01 webhook, recognised by `is_webhook`."""
    customer = data_part(header.data).customer
    customer_id = customer.id if customer is not None else None
    if not customer_id and isinstance(event.entity_id, str) and event.entity_id.startswith("cust_"):
        customer_id = event.entity_id
    return RawEnvelope(
        source=Shape.WEBHOOK,
        project_id=header.project_id or defaults.project_id,
        # "" for a missing id is rejected, where None would make a content hash serve as the id.
        event_id="" if event.id is None else event.id,
        type=event.type or _project_webhook_type(header) or defaults.type,
        customer_id=customer_id,
        occurred_at=event.created_at or defaults.occurred_at,
        content=memoryview(header.data),
        sender=_sender_id(header),
    )


def is_webhook(header: Header, event: EventPart) -> bool:
    """Return whether a body with an `event` object is a v2024-01-01 webhook.

    The name of the key is not enough: a raw payload, or another program's JSON, may have an `event`
    with the id of something else, such as an order. Then two events would have one id.
    """
    return is_sent(header) or is_event_id(event.id)


def is_sent(header: Header) -> bool:
    """Return whether a body has the id of a sending, or a distribution or webhook as source."""
    if isinstance(header.id, str) and header.id.startswith("whs_"):
        return True
    return _sender(header) in ("distribution", "webhook")


def is_legacy(header: Header) -> bool:
    """Return whether a body is a webhook of the format v2018-08-01."""
    if header.object != "event" or not isinstance(header.type, str) or not is_object(header.data):
        return False
    try:
        data = msgspec.json.decode(header.data, type=_LegacyData)
    except (ValueError, RecursionError):
        return False
    return is_object(data.object)


def _project_webhook_type(header: Header) -> object:
    return None if _sender(header) == "distribution" else header.type


def _sender(header: Header) -> str | None:
    if not is_object(header.source):
        return None
    try:
        return msgspec.json.decode(header.source, type=_Sender).object
    except (ValueError, RecursionError):
        return None


def _sender_id(header: Header) -> Any:
    if not is_object(header.source):
        return None
    try:
        return msgspec.json.decode(header.source, type=_SenderId).id
    except (ValueError, RecursionError):
        return None
