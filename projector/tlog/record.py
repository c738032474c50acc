"""Defines what is sealed of an event: its record, and the salted commitment to it. PURE.

A record is the text `projector/event/v1`, the position, the columns of `FIELDS` and the body, with
NULs between them, in UTF-8. No column but the body can have a NUL, and the body comes last, so no
two events have the same record.

An erased event is a marker: its position, its project and the time of its arrival are what they
were, and all its other columns are those of `marker`.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

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

#: The source and the body of a marker, up to the id of the erasure, which a brace follows; and the
#: most bytes of all that.
_MARKER_BODY = b'{"erased":'
_MARKER_TAIL = b"\0erased\0" + _MARKER_BODY
_MARKER_TAIL_MAX = len(_MARKER_TAIL) + len(str(2**63)) + 1

#: The size of a salt, in bytes: each event has a random one of its own.
SALT_BYTES = 16


class Columns(NamedTuple):
    """The columns of a record, as it has them."""

    position: bytes
    project_id: bytes
    event_id: bytes
    type: bytes
    customer_id: bytes
    occurred_at: bytes
    received_at: bytes
    late: bytes
    source: bytes
    body: bytes


def join(columns: Iterable[bytes]) -> bytes:
    """Return the record of an event, of its columns from the position to the body."""
    return PREFIX + b"\0".join(columns)


def split(record: bytes) -> Columns:
    """Return the columns of a record."""
    return Columns(*record.removeprefix(PREFIX).split(b"\0", len(Columns._fields) - 1))


def commit(salt: bytes, record: bytes) -> bytes:
    """Return the commitment to a record: SHA-256 of the salt and the record, 32 bytes.

    The salt of an event that was a marker when it was sealed is empty.
    """
    return sha256(salt + record).digest()


def marker(position: bytes, project_id: bytes, received_at: bytes, erasure_id: bytes) -> bytes:
    """Return the record of an event that an erasure has erased."""
    return join(
        (
            position,
            project_id,
            b"erased:" + position,
            b"erased",
            b"",
            received_at,
            received_at,
            b"0",
            b"erased",
            _MARKER_BODY + erasure_id + b"}",
        )
    )


def erasure_of(record: bytes) -> int | None:
    """Return the id of the erasure that a marker names; None for the record of any other event."""
    # Of most records no more than the end is looked at.
    if record.rfind(_MARKER_TAIL, -_MARKER_TAIL_MAX) < 0:
        return None
    columns = split(record)
    erasure_id = columns.body.removeprefix(_MARKER_BODY)[:-1]
    expected = marker(columns.position, columns.project_id, columns.received_at, erasure_id)
    return int(erasure_id) if erasure_id.isdigit() and record == expected else None


def cut_salts(entropy: bytes) -> list[bytes]:
    """Cut random bytes into salts."""
    return [entropy[at : at + SALT_BYTES] for at in range(0, len(entropy), SALT_BYTES)]
