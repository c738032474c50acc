"""Deliveries that are put aside on purpose, and what a retry did with them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from projector.envelope import DeliveryDefaults
from projector.intake import sources
from projector.operate.quarantine import list_quarantine
from projector.operate.quarantine_retry import QuarantineRetryReport
from projector.store import duplicates, quarantine
from projector.store.append import append
from projector.store.database import Database
from projector.store.quarantine import QuarantineEntry
from tests.support.given import Delivery, in_shape
from tests.support.items import quarantined, read_log

#: When the deliveries came; long before anybody reads them again.
ARRIVED_AT = datetime(2024, 4, 1, tzinfo=UTC)
HOME = DeliveryDefaults(project_id="proj_1")


def arrive(
    database: Database,
    *bodies: bytes | Delivery,
    defaults: DeliveryDefaults = DeliveryDefaults(),  # noqa: B008 - a frozen value
    at: datetime = ARRIVED_AT,
) -> list[int]:
    """Deliveries come in; gives the ids of the entries that wait afterwards."""
    items = [
        item
        for body in bodies
        for item in sources.read(
            body if isinstance(body, bytes) else json.dumps(body).encode(), defaults
        )
    ]
    append(database, items, received_at=at)
    return [each.quarantine_id for each in waiting(database)]


def waiting(database: Database) -> Sequence[QuarantineEntry]:
    return list_quarantine(database, limit=1000).quarantine


def entry(database: Database, quarantine_id: int) -> QuarantineEntry:
    with database.reading() as connection:
        [found] = quarantine.find(connection, [quarantine_id])
    return found


def repeats(database: Database) -> dict[int, int]:
    """How often the events came again, by position."""
    with database.reading() as connection:
        found = duplicates.find(connection, list(range(1, 100)))
    return {position: each.count for position, each in found.items()}


def everything(database: Database) -> list[Any]:
    """All that a retry may change."""
    return [read_log(database), quarantined(database), repeats(database)]


def unfiled(webhook: Delivery) -> Delivery:
    """The delivery in a shape that does not tell its project."""
    return in_shape("activity", webhook)


def retried(*, resolved: int = 0, suppressed: int = 0, **reasons: int) -> QuarantineRetryReport:
    still = sum(reasons.values())
    return QuarantineRetryReport(
        tried=resolved + suppressed + still,
        resolved=resolved,
        suppressed=suppressed,
        waiting=still,
        reasons=reasons,
    )
