"""Encodes cursors for keyset pagination: the key of a page's last entry, as opaque text. PURE."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from projector.errors import BadCursor, BadNumber
from projector.text.instants import shorten, to_utc

#: The largest page, in entries.
LIMIT_MAX = 10_000

#: A number in a key: databases refuse parameters of more than 64 bits.
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]

#: An instant in a key.
Instant = Annotated[datetime, Meta(tz=True)]

CursorKey = TypeVar("CursorKey", bound=tuple[str | int | datetime, ...])


def to_cursor(key: Sequence[str | int | datetime]) -> str:
    """Encode the key of a page's last entry as a cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(key))).decode().rstrip("=")


def from_cursor(text: str | None, kind: type[CursorKey]) -> CursorKey | None:
    """Decode a cursor into a key of type `kind`; None stays None, the beginning of the list.

    Raises BadCursor for a text that is not the cursor of a list with such keys.
    """
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        key = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=kind
        )
        for part in key:
            if isinstance(part, datetime):
                to_utc(part)
    except (binascii.Error, ValueError) as error:
        raise BadCursor(cursor=shorten(text)) from error
    if any("\0" in part for part in key if isinstance(part, str)):
        # Postgres refuses text parameters with a NUL character.
        raise BadCursor(cursor=shorten(text))
    return key


def check_limit(limit: int) -> None:
    """Raise BadNumber unless the limit is 1 to LIMIT_MAX."""
    if not 1 <= limit <= LIMIT_MAX:
        raise BadNumber(name="The limit", value=limit, range=f"1 to {LIMIT_MAX}")
