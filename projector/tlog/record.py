"""Defines what is sealed of an event: its record, and the salted commitment to it. PURE.

A record is the text `projector/event/v1`, the position, the columns of `FIELDS` and the body, with
NULs between them, in UTF-8. No column but the body can have a NUL, and the body comes last, so no
two events have the same record.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

PREFIX = b"projector/event/v1\0"

#: The columns of a record between the position and the body, in their order. Instants are text,
#: `YYYY-MM-DDTHH:MM:SS.ffffffZ`; the customer of an event without one is empty; `late` is 0 or 1.
FIELDS = (
    "project_id",
    "event_id",
    "type",
    "customer_id",
    "occurred_at",
    "received_at",
    "late",
    "source",
)

#: The size of a salt, in bytes: each event has a random one of its own.
SALT_BYTES = 16


def join(columns: Iterable[bytes]) -> bytes:
    """Return the record of an event, of its columns from the position to the body."""
    return PREFIX + b"\0".join(columns)


def commit(salt: bytes, record: bytes) -> bytes:
    """Return the commitment to a record: SHA-256 of the salt and the record, 32 bytes."""
    return sha256(salt + record).digest()


def cut_salts(entropy: bytes) -> list[bytes]:
    """Cut random bytes into salts."""
    return [entropy[at : at + SALT_BYTES] for at in range(0, len(entropy), SALT_BYTES)]
