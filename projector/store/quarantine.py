"""Deliveries that cannot be filed as events: kept as they came, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import msgspec
from attrs import astuple
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from projector.envelope import Rejected
from projector.store.tables import quarantine


def add(connection: Connection, rejected: Sequence[Rejected], *, received_at: datetime) -> None:
    """Keep deliveries; one that is here already, for the same reason, is not kept twice."""
    if not rejected:
        return
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(quarantine).on_conflict_do_nothing()
    connection.execute(statement, [_values(item, received_at) for item in rejected])


def counts(connection: Connection) -> dict[str, int]:
    """How many deliveries wait for each reason."""
    statement = (
        select(quarantine.c.reason, func.count())
        .where(quarantine.c.resolved_at.is_(None))
        .group_by(quarantine.c.reason)
        .order_by(quarantine.c.reason)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def _values(item: Rejected, received_at: datetime) -> dict[str, object]:
    return {
        "digest": _digest(item),
        "reason": item.reason,
        "detail": item.detail,
        "project_id": item.project_id,
        "event_id": item.event_id,
        "received_at": received_at,
        "given_project_id": item.given.project_id,
        "given_type": item.given.type,
        "given_occurred_at": item.given.occurred_at,
        "body": item.body,
    }


def _digest(item: Rejected) -> str:
    """Of the body, the reason, and what the caller said, without which nobody can read it."""
    told = msgspec.json.encode([item.reason, *astuple(item.given)])
    return hashlib.sha256(told + b"\n" + item.body).hexdigest()
