"""Reads complete v2024-01-01 webhooks in a single decode: the fast path. PURE.

Nearly all deliveries are such webhooks. Any other body (an id missing or too long, no customer, an
invalid time) returns None, and is read step by step by `voucherify` and `raw_envelope`; a test
checks that both paths give the same result.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from projector.envelope import ID_CHARACTERS_MAX, Envelope, Shape
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


class _Webhook(Struct, gc=False):
    project_id: _Id
    event: _Event
    data: _Data


_webhook = msgspec.json.Decoder(_Webhook)


def read(text: str) -> Envelope | None:
    """Return the envelope of a complete webhook; None for any other body, valid or not."""
    if is_deeper(text, LEVELS_MAX):
        return None
    try:
        webhook = _webhook.decode(text)
    except (ValueError, RecursionError):
        return None
    event = webhook.event
    if event.created_at.tzinfo is not UTC or "\\u0000" in text:
        return None
    return Envelope(
        project_id=webhook.project_id,
        event_id=event.id,
        type=event.type,
        customer_id=webhook.data.customer.id,
        occurred_at=event.created_at,
        source=_SOURCE,
        body=text,
    )
