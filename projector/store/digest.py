"""Computes the digest of a table's rows: order-independent and updated incrementally.

A row's hash is the 128-bit BLAKE2b of the JSON array of its columns, instants as RFC 3339 in UTC;
the digest is the sum of all hashes modulo 2^128 (an additive multiset hash). So a changed row
costs one subtraction and one addition, and tables on different databases are compared by one
number.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

_BYTES = 16
_MODULUS = 1 << 8 * _BYTES

#: The digest of no rows.
EMPTY = "0" * 2 * _BYTES

_encode = msgspec.json.Encoder().encode


def of(rows: Iterable[tuple[Any, ...]]) -> int:
    """Return the sum of the hashes of rows, which are tuples of their table's columns."""
    # Copying an empty hash is faster than creating one with a digest_size.
    new_hash, from_bytes = blake2b(digest_size=_BYTES).copy, int.from_bytes
    total = 0
    for row in rows:
        row_hash = new_hash()
        row_hash.update(_encode(row))
        total += from_bytes(row_hash.digest(), "big")
    return total


def subtract(digest: str, earlier: str) -> int:
    """Return the change from an earlier digest to this one, as a number for `apply`."""
    return int(digest, 16) - int(earlier, 16)


def apply(digest: str, change: int) -> str:
    """Return a digest, as text, after a change of its rows.

    The change is the sum of the hashes of inserted rows, minus that of deleted ones.
    """
    return f"{(int(digest, 16) + change) % _MODULUS:0{2 * _BYTES}x}"
