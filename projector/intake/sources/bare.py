"""Reads bare data: facts without an envelope; the caller supplies type and time. PURE."""

from __future__ import annotations

import msgspec

from projector.envelope import DeliveryDefaults, Shape
from projector.intake.sources.header import CustomerPart, Header
from projector.intake.sources.raw_envelope import RawEnvelope
from projector.text.jsontext import is_object


def is_bare(header: Header, defaults: DeliveryDefaults) -> bool:
    """Return whether a body is bare data: a customer, with facts or a type from the caller.

    Bare data are no object of their own, as an order with a customer is.
    """
    if header.object is not None:
        return False
    facts = (
        header.segment,
        header.loyalty_tier,
        header.loyalty_tier_from,
        header.loyalty_tier_to,
    )
    return is_object(header.customer) and (defaults.type is not None or any(map(is_object, facts)))


def to_raw_envelope(header: Header, text: str, defaults: DeliveryDefaults) -> RawEnvelope:
    """Extract the raw envelope of bare data; the caller's time, if given, is preferred."""
    return RawEnvelope(
        source=Shape.BARE,
        project_id=defaults.project_id,
        event_id=None,
        type=defaults.type,
        customer_id=_customer_id(header),
        occurred_at=defaults.occurred_at or header.created_at,
        content=memoryview(text.encode()),
    )


def _customer_id(header: Header) -> object:
    try:
        return msgspec.json.decode(header.customer, type=CustomerPart).id
    except (ValueError, RecursionError):
        return None
