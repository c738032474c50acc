"""Deliveries that cannot be filed as events: kept as they came, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple

import msgspec
from attrs import astuple, fields, frozen
from sqlalchemy import Connection, bindparam, func, select, update

from projector.envelope import DeliveryDefaults, Rejected
from projector.store import dialects
from projector.store.predicates import in_values, within_int64
from projector.store.tables import quarantine


@frozen(kw_only=True)
class QuarantineEntry:
    """A delivery that was put aside; its body, which may be long, is read by itself."""

    quarantine_id: int
    reason: str
    detail: str
    project_id: str | None
    event_id: str | None
    received_at: datetime
    #: Of a retry that could file it: when, and the position of its event.
    resolved_at: datetime | None
    resolved_position: int | None


@frozen(kw_only=True)
class Conflict:
    """A delivery that contradicts an event of the log, and lost."""

    quarantine_id: int
    #: The event in whose name it came.
    event_id: str
    received_at: datetime
    #: A sentence for people.
    detail: str


_RESOLVE = (
    update(quarantine)
    .where(
        quarantine.c.quarantine_id == bindparam("id"),
        quarantine.c.resolved_at.is_(None),
    )
    .values(resolved_at=bindparam("at"), resolved_position=bindparam("position"))
)

_KNOWN = tuple(quarantine.c[field.name] for field in fields(QuarantineEntry))


class QuarantineItem(NamedTuple):
    """A delivery on its way into the quarantine, and what tells it apart there."""

    digest: str
    item: Rejected


def to_item(item: Rejected) -> QuarantineItem:
    """Told apart by the body, the reason, and what the caller said, without which none reads it."""
    told = msgspec.json.encode([item.reason, *astuple(item.defaults)])
    return QuarantineItem(hashlib.sha256(told + b"\n" + item.body).hexdigest(), item)


def add(connection: Connection, items: Sequence[QuarantineItem], *, received_at: datetime) -> None:
    """Keep deliveries; one that is here already, for the same reason, is not kept twice.

    Whoever calls holds the lock of the head.
    """
    if not items:
        return
    statement = dialects.insert(connection, quarantine).on_conflict_do_nothing(
        index_elements=["digest"]
    )
    # Not by a sequence, which can go back (in a copy that crashes, or a standby that takes over):
    # what came then would have the number of what is there, and be taken for the same.
    ids = count(last_id(connection) + 1)
    rows = [{"quarantine_id": next(ids), **_values(each, received_at)} for each in items]
    connection.execute(statement, rows)


def resolved_positions(connection: Connection, items: Sequence[QuarantineItem]) -> dict[str, int]:
    """By digest: the positions at which retries filed such deliveries when they came before."""
    digests = [each.digest for each in items]
    statement = select(quarantine.c.digest, quarantine.c.resolved_position).where(
        in_values(connection, quarantine.c.digest, digests),
        quarantine.c.resolved_position.is_not(None),
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def page(
    connection: Connection,
    *,
    reason: str | None,
    resolved: bool,
    after: int,
    until: int | None = None,
    limit: int,
) -> list[QuarantineEntry]:
    """Entries in the order in which they came, without their bodies; resolved ones if asked for.

    Those of ids after < quarantine_id <= until.
    """
    statement = select(*_KNOWN).where(quarantine.c.quarantine_id > after)
    if until is not None:
        statement = statement.where(quarantine.c.quarantine_id <= until)
    if reason is not None:
        statement = statement.where(quarantine.c.reason == reason)
    if not resolved:
        statement = statement.where(quarantine.c.resolved_at.is_(None))
    rows = connection.execute(statement.order_by(quarantine.c.quarantine_id).limit(limit))
    return [QuarantineEntry(**row._mapping) for row in rows]


def bodies(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[bytes, DeliveryDefaults]]:
    """The bodies of entries, and what the caller said of them."""
    statement = select(
        quarantine.c.quarantine_id,
        quarantine.c.body,
        quarantine.c.default_project_id,
        quarantine.c.default_type,
        quarantine.c.default_occurred_at,
    ).where(in_values(connection, quarantine.c.quarantine_id, ids))
    return {
        row[0]: (row[1], DeliveryDefaults(project_id=row[2], type=row[3], occurred_at=row[4]))
        for row in connection.execute(statement)
    }


def find(connection: Connection, ids: Sequence[int]) -> list[QuarantineEntry]:
    """The entries of these ids, as far as they are there, in their order."""
    known = in_values(connection, quarantine.c.quarantine_id, within_int64(ids))
    statement = select(*_KNOWN).where(known)
    rows = connection.execute(statement.order_by(quarantine.c.quarantine_id))
    return [QuarantineEntry(**row._mapping) for row in rows]


def resolve(connection: Connection, positions: Mapping[int, int], *, at: datetime) -> None:
    """Close entries: each got the event at a position. One that is closed stays as it is."""
    if positions:
        connection.execute(
            _RESOLVE,
            [{"id": id_, "at": at, "position": position} for id_, position in positions.items()],
        )


def last_id(connection: Connection) -> int:
    """The highest id defaults out; 0 for none."""
    return connection.execute(select(func.max(quarantine.c.quarantine_id))).scalar_one() or 0


def counts(connection: Connection) -> dict[str, int]:
    """How many deliveries wait for each reason."""
    statement = (
        select(quarantine.c.reason, func.count())
        .where(quarantine.c.resolved_at.is_(None))
        .group_by(quarantine.c.reason)
        .order_by(quarantine.c.reason)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def conflicts(connection: Connection, project_id: str, event_ids: Sequence[str]) -> list[Conflict]:
    """The deliveries that came in the name of these events and lost, in the order of arrival."""
    statement = (
        select(*_KNOWN)
        .where(
            quarantine.c.project_id == project_id,
            in_values(connection, quarantine.c.event_id, event_ids),
            quarantine.c.resolved_at.is_(None),
        )
        .order_by(quarantine.c.quarantine_id)
    )
    # Whether it is a conflict is seen here: SQLite would rather go through the index of reasons,
    # and there the conflicts may be many; of one event there are few.
    return [
        Conflict(
            quarantine_id=row.quarantine_id,
            event_id=row.event_id,
            received_at=row.received_at,
            detail=row.detail,
        )
        for row in connection.execute(statement)
        if row.reason == "conflict"
    ]


def _values(quarantined: QuarantineItem, received_at: datetime) -> dict[str, object]:
    digest, item = quarantined
    return {
        "digest": digest,
        "reason": item.reason,
        "detail": item.detail,
        "project_id": item.project_id,
        "event_id": item.event_id,
        "received_at": received_at,
        "default_project_id": item.defaults.project_id,
        "default_type": item.defaults.type,
        "default_occurred_at": item.defaults.occurred_at,
        "body": item.body,
    }
