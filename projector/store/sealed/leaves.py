"""Reads and appends leaves: the commitments to events, in the order of their positions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from projector.store import bulk
from projector.store.tables import event, leaf

#: The key of the advisory lock: any number that no other program uses on the same database.
_SEALING_LOCK = 7_270_853_176


class Leaf(NamedTuple):
    """A commitment to an event, and its salt; None once that is destroyed."""

    position: int
    salt: bytes | None
    commitment: bytes


_LAST = select(func.max(leaf.c.position))
_LAST_EVENT = select(func.max(event.c.position))


def last(connection: Connection) -> int:
    """Return the last position that is sealed; 0 for none."""
    return connection.execute(_LAST).scalar() or 0


def last_event(connection: Connection) -> int:
    """Return the last position that has an event, whatever the head of the log says."""
    return connection.execute(_LAST_EVENT).scalar() or 0


def next_position(connection: Connection, after: int) -> int | None:
    """Return the next position behind another one that has an event or a leaf; None for none."""
    found = (
        connection.execute(select(func.min(column)).where(column > after)).scalar()
        for column in (event.c.position, leaf.c.position)
    )
    return min((each for each in found if each is not None), default=None)


def last_locked(connection: Connection) -> int:
    """Return the last position that is sealed, and let no other process seal until the commit.

    Writers of the log are not kept out on Postgres. On SQLite a transaction that writes has the one
    write lock anyway.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SEALING_LOCK})")
    return last(connection)


def read(connection: Connection, *, after: int, until: int) -> list[Leaf]:
    """Return the leaves with after < position <= until, by position."""
    statement = select(leaf).where(leaf.c.position > after, leaf.c.position <= until)
    return [Leaf(*row) for row in connection.execute(statement.order_by(leaf.c.position))]


def append(
    connection: Connection, *, after: int, salts: Sequence[bytes], commitments: Sequence[bytes]
) -> None:
    """Append leaves from the position behind `after` on."""
    positions = range(after + 1, after + 1 + len(commitments))
    bulk.insert_many(connection, leaf, list(zip(positions, salts, commitments, strict=True)))
