"""Cursors: where a page of a list ended, as text that nobody needs to read. PURE."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from projector.errors import BadCursor, BadNumber
from projector.text.instants import shorten

#: The most entries on one page.
LIMIT_MAX = 10_000

#: A number in a place: beyond 64 bits a database could not even be asked for what comes behind it.
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]

CursorKey = TypeVar("CursorKey", bound=tuple[str | int, ...])


def to_cursor(place: Sequence[str | int]) -> str:
    """The cursor for the key of a page's last entry."""
    return base64.urlsafe_b64encode(msgspec.json.encode(list(place))).decode().rstrip("=")


def from_cursor(text: str | None, kind: type[CursorKey]) -> CursorKey | None:
    """The key that a cursor stands for; None for the beginning.

    Raises BadCursor for a text that no page of such keys ended with.
    """
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        found = msgspec.json.decode(
            base64.b64decode(padded, altchars=b"-_", validate=True), type=kind
        )
    except (binascii.Error, ValueError) as error:
        raise BadCursor(cursor=shorten(text)) from error
    if any("\0" in part for part in found if isinstance(part, str)):
        # The database could not even be asked.
        raise BadCursor(cursor=shorten(text))
    return found


def check_limit(limit: int) -> None:
    """Raise BadNumber for a limit that no page can have."""
    if not 1 <= limit <= LIMIT_MAX:
        raise BadNumber(name="The limit", value=limit, range=f"1 to {LIMIT_MAX}")
