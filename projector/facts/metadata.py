"""Writes metadata, which are any JSON, in one canonical form. PURE."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import UNSET, Raw, UnsetType

from projector.text.jsontext import compact


def canonical_json(raw: Raw | UnsetType) -> str | None:
    """Return JSON text with sorted keys and without whitespace; None for null or a missing value.

    Two shapes of one event may write the same metadata differently; rows and comparisons use this
    canonical form. JSON with numbers that Python cannot represent loses its whitespace only.
    """
    if isinstance(raw, UnsetType):
        return None
    text = bytes(raw)
    # Cached, because every event has the whole customer object, mostly unchanged since the last.
    return _remembered(text) if len(text) <= _REMEMBERED_BYTES_MAX else _canonical(text)


def _canonical(text: bytes) -> str | None:
    try:
        value = msgspec.json.decode(text)
        return None if value is None else msgspec.json.encode(value, order="sorted").decode()
    except (ValueError, RecursionError):
        return compact(text).decode()


_REMEMBERED_BYTES_MAX = 1_000
_remembered = lru_cache(maxsize=256)(_canonical)


def comparable(raw: Raw | UnsetType) -> object:
    """Return metadata for comparison; UNSET and null differ.

    The customer projection sets only the keys that an event has.
    """
    return UNSET if isinstance(raw, UnsetType) else canonical_json(raw)
