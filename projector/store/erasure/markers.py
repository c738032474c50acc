"""Reads which events of the log are markers: the places of erased events."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, select, text

from projector.store.tables import erasure, event

#: Begins the id of a marker, and the customer of a stream that was emptied.
RESERVED = "erased:"

#: The type and the source of a marker.
ERASED = "erased"

#: The source of the program's own events, and the type of those that tell of an erasure.
OWN_SOURCE = "projector"
ERASURE_TYPE = "projector.erasure"

#: The condition of `event_erased_idx`: the databases see only in literals that it has all of them.
IN_INDEX = text("event.source IN ('erased', 'projector')")

_READ = (
    select(event.c.position, event.c.body)
    .where(
        IN_INDEX,
        event.c.source == ERASED,
        event.c.position >= bindparam("first"),
        event.c.position <= bindparam("last"),
    )
    .order_by(event.c.position)
)
_LAST_BEFORE = select(func.max(event.c.position)).where(
    IN_INDEX,
    event.c.source == ERASED,
    event.c.position < bindparam("before"),
)
_LAST = select(func.coalesce(func.max(erasure.c.erasure_id), 0))


class _Body(msgspec.Struct):
    erased: int


_decode = msgspec.json.Decoder(_Body).decode


def read(connection: Connection, first: int, last: int) -> dict[int, int]:
    """Return the positions of the markers from `first` to `last`, each with its erasure."""
    rows = connection.execute(_READ, {"first": first, "last": last})
    return {position: erasure_of(body) for position, body in rows}


def erasure_of(body: str) -> int:
    """Return the erasure that the body of a marker names; raises ValueError."""
    return _decode(body).erased


def last_before(connection: Connection, position: int) -> int | None:
    """Return the position of the last marker before a position, or None."""
    found: int | None = connection.execute(_LAST_BEFORE, {"before": position}).scalar()
    return found


def last_erasure(connection: Connection) -> int:
    """Return the number of the last erasure; 0 for none."""
    return int(connection.execute(_LAST).scalar_one())


def row(position: int, project_id: str, received_at: str, erasure_id: int) -> tuple[Any, ...]:
    """Return a marker as `log_ranges` reads it: the values of its columns, in their order."""
    identity = (position, project_id, f"{RESERVED}{position}", ERASED, None, None)
    return (*identity, received_at, received_at, False, ERASED, f'{{"erased":{erasure_id}}}')
