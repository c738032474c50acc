"""The commonest delivery, a complete webhook of the format v2024-01-01, in a single decode. PURE.

Nearly all that ever arrives is this. What is in any way unusual (an id missing or too long, no
customer, a time that cannot be read) gives None, and `voucherify` and `raw` take it apart step by
step; a test holds the two roads to the same result.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from projector.envelope import ID_CHARACTERS_MAX, Envelope
from projector.intake.sources.header import LEVELS_MAX
from projector.text.jsontext import is_deeper

_Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS_MAX)]


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
    """The envelope of a complete webhook; None for any other body, however it is to be read."""
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
        source="webhook",
        body=text,
    )
