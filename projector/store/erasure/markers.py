"""Reads which events of the log are markers: the places of erased events."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, select, text

from projector.envelope import ERASED_SOURCE, ERASED_TYPE, RESERVED_PREFIX
from projector.store.tables import event

#: The condition of `event_erased_idx`: the databases see only in literals that it has all of them.
IN_INDEX = text("event.source IN ('erased', 'projector')")

_READ = (
    select(event.c.position, event.c.body)
    .where(
        IN_INDEX,
        event.c.source == ERASED_SOURCE,
        event.c.position >= bindparam("first"),
        event.c.position <= bindparam("last"),
    )
    .order_by(event.c.position)
)
_LAST_BEFORE = select(func.max(event.c.position)).where(
    IN_INDEX,
    event.c.source == ERASED_SOURCE,
    event.c.position < bindparam("before"),
)


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


def row(position: int, project_id: str, received_at: str, erasure_id: int) -> tuple[Any, ...]:
    """Return a marker as `log_ranges` reads it: the values of its columns, in their order."""
    identity = (position, project_id, f"{RESERVED_PREFIX}{position}", ERASED_TYPE, None, None)
    return (*identity, received_at, received_at, False, ERASED_SOURCE, f'{{"erased":{erasure_id}}}')
