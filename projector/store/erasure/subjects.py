"""Reads whose events an erasure is about: streams, positions, ids and bodies."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select

from projector.envelope import ERASED_SOURCE, OWN_SOURCE
from projector.store.predicates import in_values, within_int64
from projector.store.tables import event, stream

#: The number of bodies that are fetched at once: each may have a megabyte.
_BODIES = 20


class EventIdentity(NamedTuple):
    """The identity of an event, with its position."""

    position: int
    project_id: str
    event_id: str


class EventPlace(NamedTuple):
    """Where an event belongs."""

    position: int
    project_id: str
    #: None for an event without a customer.
    stream_id: int | None
    source: str


def streams(connection: Connection, project_id: str, customer_ids: Sequence[str]) -> dict[int, str]:
    """Return the streams of some customers of a project, by id, with the customer of each."""
    statement = select(stream.c.stream_id, stream.c.customer_id).where(
        stream.c.project_id == project_id,
        in_values(connection, stream.c.customer_id, customer_ids),
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def positions(connection: Connection, stream_ids: Sequence[int]) -> array[int]:
    """Return the positions of all events of some streams, in no particular order."""
    statement = select(event.c.position).where(in_values(connection, event.c.stream_id, stream_ids))
    found = array("q")
    with connection.execute(statement.execution_options(yield_per=1000)) as rows:
        found.extend(row[0] for row in rows)
    return found


def bodies(connection: Connection, stream_ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Yield the stream and the body of each event of some streams."""
    statement = select(event.c.stream_id, event.c.body).where(
        in_values(connection, event.c.stream_id, stream_ids)
    )
    with connection.execute(statement.execution_options(yield_per=_BODIES)) as rows:
        for row in rows:
            yield row[0], row[1]


def identities(connection: Connection, at: Sequence[int]) -> list[EventIdentity]:
    """Return the identities of the events at some positions."""
    statement = select(event.c.position, event.c.project_id, event.c.event_id).where(
        in_values(connection, event.c.position, at)
    )
    return [EventIdentity(*row) for row in connection.execute(statement)]


def places(connection: Connection, at: Sequence[int]) -> dict[int, EventPlace]:
    """Return where the events at some positions belong; missing ones are left out."""
    statement = select(
        event.c.position, event.c.project_id, event.c.stream_id, event.c.source
    ).where(in_values(connection, event.c.position, within_int64(at)))
    return {row[0]: EventPlace(*row) for row in connection.execute(statement)}


def all_bodies(connection: Connection) -> Iterator[tuple[int, str]]:
    """Yield the position and the body of every event of a sender."""
    statement = select(event.c.position, event.c.body).where(
        event.c.source.not_in((ERASED_SOURCE, OWN_SOURCE))
    )
    with connection.execute(statement.execution_options(yield_per=_BODIES)) as rows:
        for row in rows:
            yield row[0], row[1]


def without_customer(connection: Connection) -> Iterator[EventIdentity]:
    """Yield the events of senders that are about no customer."""
    statement = select(event.c.position, event.c.project_id, event.c.event_id).where(
        event.c.stream_id.is_(None), event.c.source.not_in((ERASED_SOURCE, OWN_SOURCE))
    )
    with connection.execute(statement.execution_options(yield_per=1000)) as rows:
        for row in rows:
            yield EventIdentity(*row)
