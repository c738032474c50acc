"""Logs that are sealed, keys and checkpoints for tests, and the seal as its definition says."""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select

from projector.envelope import RecordedEvent
from projector.sealing.checkpoints import make_checkpoint
from projector.sealing.verify import SealReport, verify_log
from projector.store.append import append
from projector.store.database import Database
from projector.store.tables import leaf
from projector.tlog.keys import SigningKey
from tests.support.items import RECEIVED_AT, envelope

KEY = SigningKey.create("shop.example/projector", bytes(range(32)))


def fill(database: Database, events: range) -> None:
    """Append events with such numbers; one in three names no customer, one in four is late."""
    items = [
        envelope(
            f"e{number}",
            customer_id=None if number % 3 == 2 else f"cust_{number % 3}",
            minute=number % 4 * 7 + number // 4,
            name=f"Ädä {number}",
        )
        for number in events
    ]
    append(database, items, received_at=RECEIVED_AT)


def sign(database: Database, path: Path) -> Path:
    """Seal what is new, and write a checkpoint."""
    make_checkpoint(database, KEY, str(path))
    return path


def against(database: Database, *paths: Path) -> SealReport:
    """Verify the log against checkpoints."""
    return verify_log(database, against=[*map(str, paths)], keys=[KEY.verifier])


def commitments(database: Database) -> list[tuple[int, bytes | None, bytes]]:
    """The leaves: position, salt or None, commitment."""
    with database.reading() as connection:
        found = connection.execute(select(leaf).order_by(leaf.c.position)).all()
    return [(position, salt and bytes(salt), bytes(made)) for position, salt, made in found]


def expected(salt: bytes | None, event: RecordedEvent) -> bytes:
    """The commitment to an event, by the definition in docs/sealed-log.md."""
    fields: Iterable[str] = (
        "projector/event/v1",
        str(event.position),
        event.project_id,
        event.event_id,
        event.type,
        event.customer_id or "",
        _instant(event.occurred_at),
        _instant(event.received_at),
        "1" if event.late else "0",
        event.source,
        event.body,
    )
    return sha256((salt or b"") + "\0".join(fields).encode()).digest()


def _instant(value: datetime) -> str:
    at = value.astimezone(UTC)
    # strftime writes years before 1000 in fewer digits on some systems.
    return f"{at.year:04}-{at:%m-%dT%H:%M:%S}.{at.microsecond:06}Z"
