"""Names the type of a sending, and reads the offer that it sent. PURE.

A sending is the part of a distribution's webhook that is no fact of the event that caused it: one
event goes out through several distributions, and each publishes a code or promotion of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from projector.text import surrogates

#: The event type of a sending. Types that begin with `projector.` are no events of the sender.
TYPE = "projector.offer.sent"


#: The parts of an offer.
PARTS = ("publication", "voucher", "promotion_tier", "campaign")


class _Part(Struct, gc=False):
    id: Any = None
    code: Any = None


class _Sending(Struct, gc=False):
    data: dict[str, Raw]


_part = msgspec.json.Decoder(_Part)
_sending = msgspec.json.Decoder(_Sending)


def offer(body: str) -> object:
    """Return the ids and codes of an offer's parts, for comparison; None for unreadable parts."""
    try:
        data = _sending.decode(surrogates.replace(body)).data
    except (ValueError, RecursionError):
        return None
    return [_identity(data.get(name)) for name in PARTS]


def _identity(part: Raw | None) -> tuple[object, object] | None:
    if part is None:
        return None
    try:
        found = _part.decode(part)
    except (ValueError, RecursionError):
        return None
    return found.id, found.code
