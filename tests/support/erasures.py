"""Erasures by plain SQL through the door of the triggers, as the program's own would leave them."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import groupby
from uuid import uuid4

from attrs import frozen
from sqlalchemy import Connection, delete, func, insert, select, update

from projector.projections import discover
from projector.store import log_head
from projector.store.database import Database
from projector.store.erasure import digests
from projector.store.sealed import leaves
from projector.store.tables import (
    duplicate,
    erased_stream,
    erasure,
    event,
    leaf,
    secret,
    snapshot,
    stream,
    suppressed,
)
from replay import rebuild
from replay.engines import ENGINES

ERASED_AT = datetime(2026, 11, 26, 15, 57, 37, 761_000, tzinfo=UTC)
KEY = bytes(range(32))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Erasure:
    """What was erased."""

    erasure_id: int
    #: Of the event that tells of it.
    position: int
    #: Of the markers.
    positions: list[int]


def erase(
    database: Database,
    *customer_ids: str,
    project_id: str = "proj_1",
    is_purged: bool = True,
    rebuilds: bool = True,
) -> Erasure:
    """Erase customers; the tables follow by a rebuild unless the test does without them."""
    with database.writing() as connection:
        head = log_head.lock(connection)
        leaves.last_locked(connection)
        streams = list(
            connection.execute(
                select(stream.c.stream_id).where(
                    stream.c.project_id == project_id, stream.c.customer_id.in_(customer_ids)
                )
            ).scalars()
        )
        erasure_id = open_erasure(connection, project_id=project_id)
        positions = _mark(connection, erasure_id, streams)
        _suppress(connection, erasure_id, project_id, customer_ids)
        _empty_streams(connection, erasure_id, streams)
        body = {
            "erasure_id": erasure_id,
            "customers": len(streams),
            "events": len(positions),
            "positions": ranges(positions),
        }
        told_at = tell(connection, head.position + 1, body, project_id=project_id)
        log_head.advance(connection, told_at, head.stream_id)
        shut(connection, told_at, customers=len(streams), events=len(positions), purged=is_purged)
    if rebuilds:
        rebuild(database, discover(), ENGINES["in-process"])
    return Erasure(erasure_id, told_at, positions)


def open_erasure(connection: Connection, *, project_id: str = "proj_1") -> int:
    """Open the door; returns the id of the erasure."""
    last = select(func.coalesce(func.max(erasure.c.erasure_id), 0) + 1).scalar_subquery()
    connection.execute(
        insert(erasure).values(
            erasure_id=last,
            project_id=project_id,
            erased_at=ERASED_AT,
            customers=0,
            events=0,
            rows=0,
            quarantined=0,
        )
    )
    return int(connection.execute(select(func.max(erasure.c.erasure_id))).scalar_one())


def shut(
    connection: Connection, told_at: int, *, customers: int, events: int, purged: bool = True
) -> None:
    """Shut the door."""
    connection.execute(
        update(erasure)
        .where(erasure.c.position.is_(None))
        .values(
            position=told_at,
            customers=customers,
            events=events,
            purged_at=ERASED_AT if purged else None,
        )
    )


def tell(connection: Connection, position: int, body: object, *, project_id: str = "proj_1") -> int:
    """Append the event that tells of an erasure."""
    connection.execute(
        insert(event).values(
            position=position,
            project_id=project_id,
            event_id=f"erasure_{uuid4().hex}",
            type="projector.erasure",
            occurred_at=ERASED_AT,
            received_at=ERASED_AT,
            late=False,
            source="projector",
            body=json.dumps(body, separators=(",", ":")),
        )
    )
    return position


def marker_sql(position: int, erasure_id: int) -> str:
    """The statement that makes an event a marker."""
    return (
        f"UPDATE event SET event_id = 'erased:{position}', type = 'erased', stream_id = NULL,"
        " late = false, source = 'erased', occurred_at = received_at,"
        f" body = '{{\"erased\":{erasure_id}}}' WHERE position = {position}"
    )


def ranges(positions: Iterable[int]) -> list[list[int]]:
    """The first and the last position of each run of positions."""
    found = []
    for _, pairs in groupby(enumerate(sorted(positions)), key=lambda pair: pair[1] - pair[0]):
        run = [position for _, position in pairs]
        found.append([run[0], run[-1]])
    return found


def _mark(connection: Connection, erasure_id: int, streams: Sequence[int]) -> list[int]:
    positions = sorted(
        connection.execute(select(event.c.position).where(event.c.stream_id.in_(streams))).scalars()
    )
    for position in positions:
        connection.exec_driver_sql(marker_sql(position, erasure_id))
    connection.execute(update(leaf).where(leaf.c.position.in_(positions)).values(salt=None))
    connection.execute(delete(duplicate).where(duplicate.c.position.in_(positions)))
    return positions


def _suppress(
    connection: Connection, erasure_id: int, project_id: str, customer_ids: Sequence[str]
) -> None:
    key = connection.execute(select(secret.c.value)).scalar()
    if key is None:
        connection.execute(insert(secret).values(name="suppression", value=KEY))
    rows = [
        {"digest": digests.of_customer(KEY, project_id, each), "erasure_id": erasure_id}
        for each in customer_ids
    ]
    connection.execute(insert(suppressed), rows)


def _empty_streams(connection: Connection, erasure_id: int, streams: Sequence[int]) -> None:
    for stream_id in streams:
        connection.execute(insert(erased_stream).values(stream_id=stream_id, erasure_id=erasure_id))
        connection.execute(
            update(stream)
            .where(stream.c.stream_id == stream_id)
            .values(customer_id=f"erased:{stream_id}", last_occurred_at=_EPOCH, last_event_id="")
        )
    connection.execute(delete(snapshot).where(snapshot.c.stream_id.in_(streams)))
