"""Stores the digests of what was erased: what has one is not let in again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from projector.store import bulk
from projector.store.predicates import in_values
from projector.store.tables import erasure, suppressed

_COUNT = select(func.count()).select_from(suppressed)


def add(connection: Connection, digests: Sequence[str], erasure_id: int) -> int:
    """Add digests of an erasure; return how many were not there already."""
    new = set(digests).difference(find(connection, digests))
    rows = [(each, erasure_id) for each in sorted(new)]
    bulk.insert_many(connection, suppressed, rows)
    return len(rows)


def find(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    """Return the erasures of digests, by digest; those that are not in the list are left out."""
    statement = select(suppressed).where(in_values(connection, suppressed.c.digest, digests))
    return {row[0]: row[1] for row in connection.execute(statement)}


def scan(connection: Connection) -> Iterator[tuple[str, int]]:
    """Yield every digest with its erasure, by digest."""
    statement = select(suppressed).order_by(suppressed.c.digest)
    with connection.execute(statement.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield row[0], row[1]


def count(connection: Connection) -> int:
    """Return the number of digests."""
    return int(connection.execute(_COUNT).scalar_one())


def remove(connection: Connection, digests: Sequence[str]) -> int:
    """Remove digests; return how many were in the list."""
    statement = delete(suppressed).where(in_values(connection, suppressed.c.digest, digests))
    return connection.execute(statement).rowcount


def projects_older(connection: Connection, before: datetime) -> list[str]:
    """Return the projects with digests of erasures before a time."""
    with_any = select(suppressed.c.erasure_id)
    statement = select(erasure.c.project_id).where(
        erasure.c.erased_at < before, erasure.c.erasure_id.in_(with_any)
    )
    return sorted(set(connection.execute(statement).scalars()))


def remove_older(connection: Connection, before: datetime) -> int:
    """Remove the digests of the erasures before a time; return how many."""
    old = select(erasure.c.erasure_id).where(erasure.c.erased_at < before)
    return connection.execute(delete(suppressed).where(suppressed.c.erasure_id.in_(old))).rowcount
