"""Reads a part of one stream from the event log, by canonical keys and positions."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, bindparam, select

from projector.envelope import KEY_MAX, CanonicalKey, RecordedEvent
from projector.store.log import EVENT, to_event
from projector.store.predicates import canonical_key, key_parameter
from projector.store.tables import event

_BEHIND = (
    EVENT.where(
        event.c.stream_id == bindparam("stream"),
        event.c.position > bindparam("after"),
        event.c.position <= bindparam("until"),
        canonical_key(event) > key_parameter(),
        canonical_key(event) <= key_parameter("last_occurred_at", "last_event_id"),
    )
    .order_by(event.c.occurred_at, event.c.event_id)
    .execution_options(yield_per=1000)
)
_FIRST_LATE = (
    select(event.c.occurred_at, event.c.event_id)
    .where(
        event.c.stream_id == bindparam("stream"),
        event.c.position > bindparam("after"),
        event.c.position <= bindparam("until"),
        event.c.late,
    )
    .order_by(event.c.occurred_at, event.c.event_id)
    .limit(1)
)


def read_behind(
    connection: Connection,
    stream_id: int,
    key: CanonicalKey,
    *,
    last: CanonicalKey = KEY_MAX,
    after: int,
    until: int,
) -> Iterator[RecordedEvent]:
    """Yield a stream's events with key < their key <= last, in canonical order.

    Only those with after < position <= until, which are a range of the stream's index.
    """
    params = {
        "stream": stream_id,
        "after": after,
        "until": until,
        **key._asdict(),
        "last_occurred_at": last.occurred_at,
        "last_event_id": last.event_id,
    }
    with connection.execute(_BEHIND, params) as rows:
        yield from map(to_event, rows)


def first_late_key(
    connection: Connection, stream_id: int, *, after: int, until: int
) -> CanonicalKey | None:
    """Return the least key of a stream's late events with after < position <= until, or None."""
    params = {"stream": stream_id, "after": after, "until": until}
    row = connection.execute(_FIRST_LATE, params).one_or_none()
    return None if row is None else CanonicalKey(*row)
