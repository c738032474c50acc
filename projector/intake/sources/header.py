"""Decodes the header of a delivery: the keys that its shape and its envelope depend on. PURE.

A partial decode: the decoder skips all other keys. Scalars are decoded as any type, so that one of
a wrong type gets a precise reason later.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from projector.text.jsontext import is_deeper

#: The deepest nesting of a body, in levels. JSON decoders are recursive, and Python's recursion
#: limit allows more or fewer levels depending on the call stack; this limit is always the same.
LEVELS_MAX = 250

_EVENT_ID = re.compile(r"ev(?!ent_)[a-z]*_", re.ASCII)


class EventPart(Struct, gc=False):
    """The `event` object of a webhook."""

    id: Any = None
    type: Any = None
    created_at: Any = None
    entity_id: Any = None


class Header(Struct, gc=False):
    """The top level of a delivery."""

    id: Any = None
    type: Any = None
    created_at: Any = None
    project_id: Any = None
    object: Any = None
    data_ref: Any = None
    specversion: Any = None
    time: Any = None
    group_id: Any = None
    source: Raw = Raw(b"null")
    event: EventPart | None = None
    data: Raw = Raw(b"null")
    customer: Raw = Raw(b"null")
    segment: Raw = Raw(b"null")
    loyalty_tier: Raw = Raw(b"null")
    loyalty_tier_from: Raw = Raw(b"null")
    loyalty_tier_to: Raw = Raw(b"null")


def is_event_id(value: object) -> bool:
    """Return whether a value looks like the id of an event in Voucherify, such as `evcus_1`.

    `event_…` is not one: it is the id of a custom event, an object that a shop sends.
    """
    return isinstance(value, str) and _EVENT_ID.match(value) is not None


class CustomerPart(Struct, gc=False):
    """The part of an event's `customer` object that an envelope needs."""

    id: Any = None


class DataPart(Struct, gc=False):
    """The part of an event's `data` that an envelope needs."""

    customer: CustomerPart | None = None
    #: Activity entries hold the facts one level deeper.
    data: Raw = Raw(b"null")


_header = msgspec.json.Decoder(Header)
_data = msgspec.json.Decoder(DataPart)
_any = msgspec.json.Decoder(Raw)


class Unreadable(Exception):
    """A body whose header cannot be decoded, with a reason code and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail


def read_header(text: str) -> Header:
    """Decode the header of a body; raises Unreadable if it is not a JSON object of these types."""
    if is_deeper(text, LEVELS_MAX):
        detail = f"This is not readable JSON: it is nested deeper than {LEVELS_MAX} levels."
        raise Unreadable("broken_json", detail)
    try:
        return _header.decode(text)
    except msgspec.ValidationError as error:
        # The decoder stops at the first wrong type; the rest of the body may not be JSON at all.
        _check_syntax(text)
        raise Unreadable("unknown_shape", f"This is not a delivery: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This is not readable JSON: {error}.") from None


def _check_syntax(text: str) -> None:
    try:
        _any.decode(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This is not readable JSON: {error}.") from None


def data_part(raw: Raw) -> DataPart:
    """Decode the needed part of an event's data; returns an empty one if that fails."""
    try:
        return _data.decode(raw)
    except (ValueError, RecursionError):
        return DataPart()
