"""A digest of a table's rows that does not depend on their order and is kept up to date with them.

A row's hash is the 128-bit BLAKE2b of the JSON array of its columns, instants as RFC 3339 in UTC;
the digest is the sum of all hashes modulo 2^128. So a row that changes is one subtraction and one
addition, and tables are compared by one number, on whatever databases they are.
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
    """The sum of the hashes of rows, which are tuples of their table's columns."""
    # To copy a hash costs less than to say again how long it is.
    new_hash, from_bytes = blake2b(digest_size=_BYTES).copy, int.from_bytes
    total = 0
    for row in rows:
        row_hash = new_hash()
        row_hash.update(_encode(row))
        total += from_bytes(row_hash.digest(), "big")
    return total


def subtract(digest: str, earlier: str) -> int:
    """Subtract an earlier digest: what has to be applied to it to get the later one."""
    return int(digest, 16) - int(earlier, 16)


def apply(digest: str, change: int) -> str:
    """A digest, as text, after a change of its rows: the hashes that came less those that went."""
    return f"{(int(digest, 16) + change) % _MODULUS:0{2 * _BYTES}x}"
