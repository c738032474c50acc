"""Reads complete v2024-01-01 webhooks in a single decode: the fast path. PURE.

Nearly all deliveries are such webhooks. Any other body (an id missing or too long, no customer, an
invalid time) returns None, and is read step by step by `voucherify` and `raw_envelope`; a test
checks that both paths give the same result.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from projector.envelope import (
    ID_CHARACTERS_MAX,
    RESERVED_PREFIX,
    DeliveryDefaults,
    Envelope,
    Shape,
)
from projector.intake.sources.header import LEVELS_MAX
from projector.text.jsontext import is_deeper

_Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]
#: Plain text, as in `raw_envelope.to_envelope`.
_SOURCE = Shape.WEBHOOK.value


class _Event(Struct, gc=False):
    id: _Id
    type: _Id
    created_at: Annotated[datetime, Meta(tz=True)]


class _Customer(Struct, gc=False):
    id: _Id


class _Data(Struct, gc=False):
    customer: _Customer
    publication: Raw | UnsetType = UNSET
    voucher: Raw | UnsetType = UNSET
    promotion_tier: Raw | UnsetType = UNSET


class _Source(Struct, gc=False):
    id: Annotated[str, Meta(max_length=ID_CHARACTERS_MAX)] = ""


class Webhook(Struct, gc=False):
    """The parts of a complete webhook."""

    project_id: _Id
    id: str
    event: _Event
    data: _Data
    source: _Source | None = None

    def may_carry_offer(self) -> bool:
        """Return whether there is a part that `sending` may cut out."""
        data = self.data
        return not (data.publication is data.voucher is data.promotion_tier is UNSET)


_webhook = msgspec.json.Decoder(Webhook)


def decode(text: str, defaults: DeliveryDefaults) -> Webhook | None:
    """Decode a complete webhook; None for any other body, valid or not.

    A complete webhook takes no value from the defaults, but may contradict their customer.
    """
    if is_deeper(text, LEVELS_MAX):
        return None
    try:
        webhook = _webhook.decode(text)
    except (ValueError, RecursionError):
        return None
    # The evidence of `voucherify.is_webhook` that nearly all webhooks have.
    if not webhook.id.startswith("whs_"):
        return None
    customer_id = webhook.data.customer.id
    if defaults.customer_id not in (None, customer_id):
        return None
    if webhook.event.id.startswith(RESERVED_PREFIX) or customer_id.startswith(RESERVED_PREFIX):
        return None
    if webhook.event.created_at.tzinfo is not UTC or "\\u0000" in text:
        return None
    return webhook


def to_envelope(webhook: Webhook, text: str) -> Envelope:
    """Return the envelope of a complete webhook; `text` is its body."""
    event = webhook.event
    return Envelope(
        project_id=webhook.project_id,
        event_id=event.id,
        type=event.type,
        customer_id=webhook.data.customer.id,
        occurred_at=event.created_at,
        source=_SOURCE,
        body=text,
        sender="" if webhook.source is None else webhook.source.id,
    )
