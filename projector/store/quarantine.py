"""Stores the quarantine: deliveries that could not be appended, byte for byte, with the reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import count
from typing import NamedTuple

import msgspec
from attrs import astuple, fields, frozen
from sqlalchemy import Connection, LargeBinary, bindparam, func, select, update

from projector.envelope import RESERVED_PREFIX, DeliveryDefaults, Rejected
from projector.store import dialects
from projector.store.predicates import in_values, within_int64
from projector.store.tables import quarantine
from projector.store.types import Instant

#: The reason of an entry of which nothing was kept.
ERASED = "erased"


@frozen(kw_only=True)
class QuarantineEntry:
    """An entry of the quarantine without its body, which may be long and is read by `bodies`."""

    quarantine_id: int
    reason: str
    detail: str
    project_id: str | None
    event_id: str | None
    received_at: datetime
    #: The time of the retry that resolved the entry, and the position of its event; None for both
    #: until then.
    resolved_at: datetime | None
    resolved_position: int | None


@frozen(kw_only=True)
class Conflict:
    """A conflict: a quarantined delivery with the id of an event of the log, but other facts."""

    quarantine_id: int
    #: The id of the event that it contradicts.
    event_id: str
    received_at: datetime
    #: The human-readable reason, a sentence.
    detail: str


_RESOLVE = (
    update(quarantine)
    .where(
        quarantine.c.quarantine_id == bindparam("id"),
        quarantine.c.resolved_at.is_(None),
    )
    .values(resolved_at=bindparam("at"), resolved_position=bindparam("position"))
)

#: Of an erased entry stay its number and its times.
_ERASE = (
    update(quarantine)
    .where(quarantine.c.quarantine_id == bindparam("id"))
    .values(
        digest=bindparam("erased_as"),
        reason=ERASED,
        detail="It was erased.",
        event_id=None,
        default_project_id=None,
        default_type=None,
        default_occurred_at=None,
        default_customer_id=None,
        body=b"",
        resolved_at=func.coalesce(quarantine.c.resolved_at, bindparam("at", type_=Instant())),
        resolved_position=bindparam("position"),
    )
)

_ENTRY = tuple(quarantine.c[field.name] for field in fields(QuarantineEntry))


class QuarantineItem(NamedTuple):
    """A delivery to be quarantined, with the digest that identifies it in the quarantine."""

    digest: str
    item: Rejected


def to_item(item: Rejected) -> QuarantineItem:
    """Return a delivery with its digest: SHA-256 of the reason, the caller's defaults and the body.

    The defaults belong to the delivery, because it is parsed with them.
    """
    header = msgspec.json.encode([item.reason, *astuple(item.defaults)])
    return QuarantineItem(hashlib.sha256(header + b"\n" + item.body).hexdigest(), item)


def add(connection: Connection, items: Sequence[QuarantineItem], *, received_at: datetime) -> None:
    """Insert deliveries; idempotent: one with the digest of an existing entry is skipped.

    The caller holds the lock of the log's head, so that no other writer assigns the same ids.
    """
    if not items:
        return
    statement = dialects.insert(connection, quarantine).on_conflict_do_nothing(
        index_elements=["digest"]
    )
    # Ids do not come from a sequence, because a sequence may go back (on a copy of the database
    # that crashes, on a standby that is promoted): a new entry would get the id of an existing
    # one, and be mistaken for it.
    ids = count(last_id(connection) + 1)
    rows = [{"quarantine_id": next(ids), **_values(each, received_at)} for each in items]
    connection.execute(statement, rows)


def resolved_positions(connection: Connection, items: Sequence[QuarantineItem]) -> dict[str, int]:
    """Return the positions of the events of resolved entries, by digest; others are left out."""
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
    """Return a page of entries with after < quarantine_id <= until, by id (keyset pagination).

    `resolved` includes resolved entries; `reason` is a filter.
    """
    statement = select(*_ENTRY).where(quarantine.c.quarantine_id > after)
    if until is not None:
        statement = statement.where(quarantine.c.quarantine_id <= until)
    if reason is not None:
        statement = statement.where(quarantine.c.reason == reason)
    if not resolved:
        statement = statement.where(quarantine.c.resolved_at.is_(None))
    rows = connection.execute(statement.order_by(quarantine.c.quarantine_id).limit(limit))
    return [QuarantineEntry(**row._mapping) for row in rows]


def newest(
    connection: Connection, *, reason: str | None, before: int | None, limit: int
) -> list[QuarantineEntry]:
    """Return the last waiting entries with quarantine_id < before, the newest one first."""
    statement = select(*_ENTRY).where(quarantine.c.resolved_at.is_(None))
    if before is not None:
        statement = statement.where(quarantine.c.quarantine_id < before)
    if reason is not None:
        statement = statement.where(quarantine.c.reason == reason)
    rows = connection.execute(statement.order_by(quarantine.c.quarantine_id.desc()).limit(limit))
    return [QuarantineEntry(**row._mapping) for row in rows]


def beginnings(connection: Connection, ids: Sequence[int], *, size: int) -> dict[int, bytes]:
    """Return the first `size` bytes of the bodies of entries, by quarantine_id."""
    statement = select(
        quarantine.c.quarantine_id, func.substr(quarantine.c.body, 1, size, type_=LargeBinary)
    ).where(in_values(connection, quarantine.c.quarantine_id, ids))
    return {row[0]: bytes(row[1]) for row in connection.execute(statement)}


def bodies(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[bytes, DeliveryDefaults]]:
    """Return the bodies of entries, with the defaults that they were delivered with, by id."""
    statement = select(
        quarantine.c.quarantine_id,
        quarantine.c.body,
        quarantine.c.default_project_id,
        quarantine.c.default_type,
        quarantine.c.default_occurred_at,
        quarantine.c.default_customer_id,
    ).where(in_values(connection, quarantine.c.quarantine_id, ids))
    return {
        row[0]: (
            row[1],
            DeliveryDefaults(
                project_id=row[2], type=row[3], occurred_at=row[4], customer_id=row[5]
            ),
        )
        for row in connection.execute(statement)
    }


def find(connection: Connection, ids: Sequence[int]) -> list[QuarantineEntry]:
    """Return the entries with these ids, by id; missing ones are left out."""
    has_id = in_values(connection, quarantine.c.quarantine_id, within_int64(ids))
    statement = select(*_ENTRY).where(has_id)
    rows = connection.execute(statement.order_by(quarantine.c.quarantine_id))
    return [QuarantineEntry(**row._mapping) for row in rows]


def resolve(connection: Connection, positions: Mapping[int, int], *, at: datetime) -> None:
    """Mark entries as resolved; `positions` has the positions of their events, by quarantine_id.

    Idempotent: an entry that is resolved already stays as it is.
    """
    if positions:
        connection.execute(
            _RESOLVE,
            [{"id": id_, "at": at, "position": position} for id_, position in positions.items()],
        )


def erase(connection: Connection, positions: Mapping[int, int | None], *, at: datetime) -> None:
    """Empty entries, by quarantine_id, and mark them as resolved, each with a position or None.

    Nothing stays of what was delivered, nor the digest, which is that of the body.
    """
    if positions:
        connection.execute(
            _ERASE,
            [
                {"id": id_, "erased_as": f"{RESERVED_PREFIX}{id_}", "at": at, "position": position}
                for id_, position in positions.items()
            ],
        )


def last_id(connection: Connection) -> int:
    """Return the highest quarantine_id that exists; 0 for none."""
    return connection.execute(select(func.max(quarantine.c.quarantine_id))).scalar_one() or 0


def counts(connection: Connection) -> dict[str, int]:
    """Count the unresolved entries by reason, ordered by reason."""
    statement = (
        select(quarantine.c.reason, func.count())
        .where(quarantine.c.resolved_at.is_(None))
        .group_by(quarantine.c.reason)
        .order_by(quarantine.c.reason)
    )
    return {row[0]: row[1] for row in connection.execute(statement)}


def conflicts(connection: Connection, project_id: str, event_ids: Sequence[str]) -> list[Conflict]:
    """Return the unresolved conflicts with these events of a project, in the order of arrival."""
    statement = (
        select(*_ENTRY)
        .where(
            quarantine.c.project_id == project_id,
            in_values(connection, quarantine.c.event_id, event_ids),
            quarantine.c.resolved_at.is_(None),
        )
        .order_by(quarantine.c.quarantine_id)
    )
    # Filtered by reason here and not in SQL, where SQLite would use the index of reasons: a
    # database may have many conflicts, but an event has few entries.
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
        "default_customer_id": item.defaults.customer_id,
        "body": item.body,
    }
