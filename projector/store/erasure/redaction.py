"""Turns events of the log into markers, and appends the events that tell of an erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Text, cast, literal, null, update

from projector.envelope import (
    ERASED_SOURCE,
    ERASED_TYPE,
    ERASURE_TYPE,
    OWN_SOURCE,
    RESERVED_PREFIX,
)
from projector.projections.projection import Values
from projector.store import bulk
from projector.store.predicates import in_values
from projector.store.tables import erased_stream, event, leaf, stream

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class OwnEvent(NamedTuple):
    """An event that tells of an erasure."""

    position: int
    project_id: str
    event_id: str
    body: str
    at: datetime

    def row(self) -> Values:
        """Return the tuple of table `event`, in the order of its columns."""
        identity = (self.position, self.project_id, self.event_id, ERASURE_TYPE, None)
        return (*identity, self.at, self.at, False, OWN_SOURCE, self.body)


def mark(connection: Connection, at: Sequence[int], erasure_id: int) -> int:
    """Turn the events at some positions into markers; return how many.

    The erasure must be open: a trigger refuses anything but this.
    """
    statement = (
        update(event)
        .where(in_values(connection, event.c.position, at))
        .values(
            event_id=literal(RESERVED_PREFIX).concat(cast(event.c.position, Text)),
            type=ERASED_TYPE,
            stream_id=null(),
            occurred_at=event.c.received_at,
            late=False,
            source=ERASED_SOURCE,
            body=f'{{"erased":{erasure_id}}}',
        )
    )
    return connection.execute(statement).rowcount


def destroy_salts(connection: Connection, at: Sequence[int]) -> None:
    """Destroy the salts of markers: their commitments can never be guessed from then on."""
    connection.execute(
        update(leaf).where(in_values(connection, leaf.c.position, at)).values(salt=null())
    )


def rename_streams(connection: Connection, stream_ids: Sequence[int]) -> None:
    """Take the customers' ids, and the greatest canonical keys, out of streams, which stay."""
    statement = (
        update(stream)
        .where(in_values(connection, stream.c.stream_id, stream_ids))
        .values(
            customer_id=literal(RESERVED_PREFIX).concat(cast(stream.c.stream_id, Text)),
            last_occurred_at=_EPOCH,
            last_event_id="",
        )
    )
    connection.execute(statement)


def record_streams(connection: Connection, stream_ids: Sequence[int], erasure_id: int) -> None:
    """Record which streams an erasure emptied."""
    bulk.insert_many(connection, erased_stream, [(each, erasure_id) for each in stream_ids])


def append_own(connection: Connection, events: Sequence[OwnEvent]) -> None:
    """Append the events that tell of an erasure; the head of the log is locked."""
    bulk.insert_many(connection, event, [each.row() for each in events])
