"""Reads how far erasures and their markers go."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select, text

from projector.store.tables import erasure, event

_LAST = select(func.coalesce(func.max(erasure.c.erasure_id), 0))

#: With the condition of the partial index, word for word: see `records`.
_NEXT_MARKER = (
    select(event.c.position)
    .where(
        text("event.source IN ('erased', 'projector')"),
        event.c.source == "erased",
        event.c.position > bindparam("after"),
    )
    .order_by(event.c.position)
    .limit(1)
)


def last(connection: Connection) -> int:
    """Return the id of the last erasure; 0 for none."""
    return int(connection.execute(_LAST).scalar_one())


def next_marker(connection: Connection, after: int) -> int | None:
    """Return the next position whose event has the source of erased events; None for no more."""
    return connection.execute(_NEXT_MARKER, {"after": after}).scalar()
