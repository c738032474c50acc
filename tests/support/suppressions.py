"""Erasures by plain SQL, for tests of what comes after one: in the order of the real one."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Text, cast, delete, insert, literal, or_, select, tuple_, update

from projector.envelope import ERASED_SOURCE, OWN_SOURCE, Identity
from projector.store import log_head, notifications
from projector.store.erasure import digests
from projector.store.erasure.records import last_erasure
from projector.store.tables import (
    erased_stream,
    erasure,
    event,
    secret,
    stream,
    suppressed,
)

#: The key of the digests.
KEY = bytes(range(32))

_AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def erase(
    connection: Connection,
    *customers: Identity,
    events: Iterable[Identity] = (),
    bodies: Iterable[str] = (),
) -> int:
    """Erase customers with their events, single events, and quarantined bodies by their digests.

    Of the bodies only the digests are noted. Returns the number of the erasure.
    """
    log_head.lock(connection)
    erasure_id = _begin(connection)
    customer = tuple_(stream.c.project_id, stream.c.customer_id)
    ids = list(
        connection.execute(select(stream.c.stream_id).where(customer.in_(customers))).scalars()
    )
    identity = tuple_(event.c.project_id, event.c.event_id)
    is_erased = or_(event.c.stream_id.in_(ids), identity.in_(list(events)))
    erased = connection.execute(
        select(event.c.position, event.c.project_id, event.c.event_id).where(is_erased)
    ).all()
    found = {*events, *((row[1], row[2]) for row in erased)}
    _note(
        connection,
        erasure_id,
        [digests.of_customer(KEY, *each) for each in customers]
        + [digests.of_event(KEY, *each) for each in found]
        + [digests.of_body(KEY, each) for each in bodies],
    )
    positions = [row[0] for row in erased]
    connection.execute(
        update(event)
        .where(event.c.position.in_(positions))
        .values(
            event_id=literal("erased:").concat(cast(event.c.position, Text)),
            type="erased",
            stream_id=None,
            occurred_at=event.c.received_at,
            late=False,
            source=ERASED_SOURCE,
            body=f'{{"erased":{erasure_id}}}',
        )
    )
    for stream_id in ids:
        connection.execute(insert(erased_stream).values(stream_id=stream_id, erasure_id=erasure_id))
        connection.execute(
            update(stream)
            .where(stream.c.stream_id == stream_id)
            .values(customer_id=f"erased:{stream_id}", last_occurred_at=_BEGIN, last_event_id="")
        )
    _end(connection, erasure_id, {"customers": len(customers), "events": len(positions)})
    return erasure_id


def allow(connection: Connection, *customers: Identity) -> int:
    """Let customers in again, which is an erasure of nothing; return its number."""
    log_head.lock(connection)
    erasure_id = _begin(connection)
    gone = [digests.of_customer(KEY, *each) for each in customers]
    connection.execute(delete(suppressed).where(suppressed.c.digest.in_(gone)))
    _end(connection, erasure_id, {"customers": 0, "events": 0})
    return erasure_id


def _begin(connection: Connection) -> int:
    """Open the door."""
    erasure_id = last_erasure(connection) + 1
    counts = dict.fromkeys(("customers", "events", "rows", "quarantined"), 0)
    connection.execute(
        insert(erasure).values(erasure_id=erasure_id, project_id="proj_1", erased_at=_AT, **counts)
    )
    if not connection.execute(select(secret.c.name)).all():
        connection.execute(insert(secret).values(name=digests.KEY_NAME, value=KEY))
    return erasure_id


def _note(connection: Connection, erasure_id: int, found: list[str]) -> None:
    known = set(connection.execute(select(suppressed.c.digest)).scalars())
    rows = [{"digest": each, "erasure_id": erasure_id} for each in {*found} - known]
    if rows:
        connection.execute(insert(suppressed), rows)


def _end(connection: Connection, erasure_id: int, counts: dict[str, Any]) -> None:
    """Append the event that tells of it, advance the head, and shut the door."""
    head, last_stream_id = log_head.read(connection)
    connection.execute(
        insert(event).values(
            position=head + 1,
            project_id="proj_1",
            event_id=f"erasure_{erasure_id:032x}",
            type="projector.erasure",
            stream_id=None,
            occurred_at=_AT,
            received_at=_AT,
            late=False,
            source=OWN_SOURCE,
            body=json.dumps({"erasure_id": erasure_id, **counts, "positions": []}),
        )
    )
    log_head.advance(connection, head + 1, last_stream_id)
    closed = update(erasure).where(erasure.c.erasure_id == erasure_id)
    connection.execute(closed.values(position=head + 1))
    notifications.notify(connection)
