"""Finds the entries of the quarantine that name a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from projector.store.predicates import in_values
from projector.store.quarantine import ERASED
from projector.store.tables import quarantine

#: The number of bodies that are fetched at once: each may have megabytes.
_BODIES = 20


class QuarantinedText(NamedTuple):
    """The parts of an entry that may name a person."""

    quarantine_id: int
    detail: str
    event_id: str | None
    default_customer_id: str | None
    body: bytes


_SCAN = (
    select(*(quarantine.c[name] for name in QuarantinedText._fields))
    .where(quarantine.c.reason != ERASED)
    .execution_options(yield_per=_BODIES)
)


def scan(connection: Connection) -> Iterator[QuarantinedText]:
    """Yield every entry, resolved or not, that was not emptied."""
    with connection.execute(_SCAN) as rows:
        for row in rows:
            yield QuarantinedText(*row)


def of_events(connection: Connection, project_id: str, event_ids: Sequence[str]) -> list[int]:
    """Return the entries in the name of some events: what contradicts them."""
    statement = select(quarantine.c.quarantine_id).where(
        quarantine.c.project_id == project_id,
        in_values(connection, quarantine.c.event_id, event_ids),
    )
    return list(connection.execute(statement).scalars())


def digests(connection: Connection, ids: Sequence[int]) -> list[str]:
    """Return the digests of entries."""
    statement = select(quarantine.c.digest).where(
        in_values(connection, quarantine.c.quarantine_id, ids)
    )
    return list(connection.execute(statement).scalars())


def with_digests(connection: Connection) -> Iterator[tuple[int, str]]:
    """Yield the id and the digest of every entry that was not emptied."""
    statement = select(quarantine.c.quarantine_id, quarantine.c.digest).where(
        quarantine.c.reason != ERASED
    )
    with connection.execute(statement.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield row[0], row[1]
