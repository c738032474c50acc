"""Items to append, and what the log then holds; a test says only what it is about."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import select

from projector.envelope import Envelope, RecordedEvent, Rejected
from projector.store import log
from projector.store.append import Receipt, append
from projector.store.database import Database
from projector.store.tables import quarantine, stream

RECEIVED_AT = datetime(2025, 1, 1, 12, 30, 15, 123_456, tzinfo=UTC)
_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)


def at(minute: int) -> datetime:
    """An instant so many minutes after the first one."""
    return _BEGIN + timedelta(minutes=minute)


def envelope(
    event_id: str,
    *,
    customer_id: str | None = "cust_1",
    project_id: str = "proj_1",
    type: str = "customer.updated",
    minute: int = 0,
    name: str = "Alex",
    source: str = "minimal",
    sender: str = "",
) -> Envelope:
    """An event that gives its customer a name."""
    facts: dict[str, Any] = {"customer": customer_id and {"id": customer_id, "name": name}}
    return Envelope(
        project_id=project_id,
        event_id=event_id,
        type=type,
        customer_id=customer_id,
        occurred_at=at(minute),
        source=source,
        body=json.dumps({"data": {"data": facts} if source == "activity" else facts}),
        sender=sender,
    )


def rejected(body: bytes, reason: str = "broken_json", **more: Any) -> Rejected:
    """A delivery that cannot be filed."""
    return Rejected(reason=reason, detail="It cannot be read.", body=body, **more)


def put(database: Database, *items: Envelope | Rejected) -> list[Receipt]:
    """Append one batch."""
    return append(database, items, received_at=RECEIVED_AT)


def read_log(database: Database) -> list[RecordedEvent]:
    """The whole log."""
    with database.reading() as connection:
        return log.read(connection, after=0, until=2**62, limit=2**31)


def as_logged(item: Envelope, position: int, stream_id: int | None, late: bool) -> RecordedEvent:
    """What an envelope should be in the log."""
    more: dict[str, Any] = {"position": position, "stream_id": stream_id, "late": late}
    return RecordedEvent(**asdict(item), **more, received_at=RECEIVED_AT)


def streams(database: Database) -> list[tuple[Any, ...]]:
    """The streams by id: (id, project, customer, the instant and the id of the greatest key)."""
    with database.reading() as connection:
        return [tuple(row) for row in connection.execute(select(stream).order_by("stream_id"))]


def quarantined(database: Database) -> list[dict[str, Any]]:
    """What is in the quarantine, in the order in which it came."""
    statement = select(quarantine).order_by(quarantine.c.quarantine_id)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]
