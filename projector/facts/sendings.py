"""Names the type of a sending, and reads the offer that it sent. PURE.

A sending is the part of a distribution's webhook that is no fact of the event that caused it: one
event goes out through several distributions, and each publishes a code or promotion of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from projector.text import surrogates

#: The event type of a sending. Types that begin with `projector.` are no events of the sender.
TYPE = "projector.offer.sent"


class _Named(Struct, gc=False):
    id: Any = None
    code: Any = None


class Offer(Struct, gc=False):
    """The identity of an offer: the ids of its parts, as far as the sending has them."""

    publication: _Named | None = None
    voucher: _Named | None = None
    promotion_tier: _Named | None = None
    campaign: _Named | None = None


class _Sending(Struct, gc=False):
    data: Offer


_sending = msgspec.json.Decoder(_Sending)


def offer(body: str) -> Offer | str:
    """Return the offer of a sending; of an unreadable one, its whole text."""
    try:
        return _sending.decode(surrogates.replace(body)).data
    except (ValueError, RecursionError):
        return body
