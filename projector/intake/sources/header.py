"""The header of a delivery: the few keys by which its shape is told and its envelope filled. PURE.

Scalars are taken as anything, so that a wrong one gives a precise reason later; everything else in
the body is skipped by the decoder, not built.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from projector.text.jsontext import is_deeper

#: How deep a body may be nested. Readers of JSON call themselves for each level, and how many
#: calls Python allows them depends on where the program stands: a bound of our own does not.
LEVELS_MAX = 250


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


class CustomerPart(Struct, gc=False):
    """The `customer` object of an event's data, as far as filing needs it."""

    id: Any = None


class DataPart(Struct, gc=False):
    """An event's data, as far as filing needs it."""

    customer: CustomerPart | None = None
    #: Activity entries hold the facts one level deeper.
    data: Raw = Raw(b"null")


_header = msgspec.json.Decoder(Header)
_data = msgspec.json.Decoder(DataPart)
_any = msgspec.json.Decoder(Raw)


class Unreadable(Exception):
    """The body is not a JSON object: the reason code and the sentence for it."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail


def read_header(text: str) -> Header:
    """The header of a body; raises NotReadable where it is no JSON object of a known form."""
    if is_deeper(text, LEVELS_MAX):
        detail = f"This is not readable JSON: it is nested deeper than {LEVELS_MAX} levels."
        raise Unreadable("broken_json", detail)
    try:
        return _header.decode(text)
    except msgspec.ValidationError as error:
        # The decoder stops at the first wrong type: whether the rest is JSON at all is not known.
        _check_syntax(text)
        raise Unreadable("unknown_shape", f"This is no delivery: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This is not readable JSON: {error}.") from None


def _check_syntax(text: str) -> None:
    try:
        _any.decode(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("broken_json", f"This is not readable JSON: {error}.") from None


def data_part(raw: Raw) -> DataPart:
    """The header of an event's data; an empty one where it cannot be read."""
    try:
        return _data.decode(raw)
    except (ValueError, RecursionError):
        return DataPart()
