"""Erases within one transaction: all that the database has of some customers, or nothing.

The caller holds the rebuild lock: rows that a rebuild has folded would come back with its swap. The
transaction locks the checkpoints by name, then the head of the log, then the seal. So a projector
that computed rows from the old bodies loses its compare-and-set, an append plans anew, and no salt
is written unseen.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from attrs import frozen
from sqlalchemy import Connection

from projector.erasure import own_events, rows
from projector.erasure.report import ErasureReport
from projector.erasure.rows import StoredProjections
from projector.erasure.subjects import ErasureOrder, Subjects
from projector.store import log_head, notifications, quarantine
from projector.store.erasure import (
    archive_keys,
    digest_list,
    digests,
    keys,
    leftovers,
    quarantined,
    records,
    redaction,
    subjects,
)
from projector.store.erasure.records import Erasure
from projector.store.log_head import Numbers
from projector.store.sealed import leaves

#: The number of events, customers or entries that one statement is about.
PIECE = 1_000

Item = TypeVar("Item")


@frozen
class Locked:
    """What is locked until the commit."""

    projections: StoredProjections
    head: Numbers


def lock(connection: Connection) -> Locked:
    """Lock the checkpoints, the head of the log and the seal, in this order."""
    projections = rows.locked(connection)
    head = log_head.lock(connection)
    leaves.last_locked(connection)
    return Locked(projections, head)


def erase(
    connection: Connection,
    order: ErasureOrder,
    found: Subjects,
    locked: Locked,
    *,
    at: datetime,
) -> ErasureReport:
    """Erase, and append the events that tell of it; return what was done."""
    erasure_id = records.last_erasure(connection) + 1
    key = keys.read_or_create(connection)
    deleted = rows.delete(connection, locked.projections, found)
    dead_letters = _delete_leftovers(connection, found, locked, at=at)
    entries = _entries(connection, order, found)
    suppressed = [digests.of_body(key, each) for each in _digests(connection, entries)]
    for piece in _pieces(entries):
        quarantine.erase(connection, dict.fromkeys(piece), at=at)
    _open(
        connection,
        erasure_id,
        found,
        order.reference,
        rows=sum(deleted.values()),
        quarantined=len(entries),
        at=at,
    )
    suppressed += [
        digests.of_customer(key, found.project_id, each) for each in found.streams.values()
    ]
    added = _suppress(connection, [*suppressed, *order.digests], erasure_id)
    duplicates, of_events = _redact(connection, found, key, erasure_id)
    _empty_streams(connection, [*found.streams], erasure_id)
    position = _record(connection, erasure_id, found, locked.head, at=at)
    return ErasureReport(
        erasure_id=erasure_id,
        position=position,
        erased_at=at,
        reference=order.reference,
        customers=len(found.streams),
        events=len(found.positions),
        rows=deleted,
        dead_letters=dead_letters,
        duplicates=duplicates,
        quarantined=len(entries),
        suppressed=added + of_events,
    )


def record_nothing(
    connection: Connection, project_id: str, head: Numbers, reference: str, *, at: datetime
) -> Numbers:
    """Record an erasure of nothing: the list of what is kept out has changed in another way.

    Writers read that list again once there is a new erasure, and the log tells of it. Returns the
    head of the log afterwards. Nothing of it waits for a purge.
    """
    erasure_id = records.last_erasure(connection) + 1
    nothing = Subjects(project_id=project_id, streams={}, positions=array("q"))
    _open(connection, erasure_id, nothing, reference, at=at, purged_at=at)
    position = _record(connection, erasure_id, nothing, head, at=at)
    return Numbers(position, head.stream_id)


def _open(
    connection: Connection,
    erasure_id: int,
    found: Subjects,
    reference: str | None,
    *,
    rows: int = 0,
    quarantined: int = 0,
    at: datetime,
    purged_at: datetime | None = None,
) -> None:
    """Open the door: insert the record of the erasure, whose counts are known by now."""
    records.open_door(
        connection,
        Erasure(
            erasure_id=erasure_id,
            project_id=found.project_id,
            erased_at=at,
            reference=reference,
            customers=len(found.streams),
            events=len(found.positions),
            rows=rows,
            quarantined=quarantined,
            position=None,
            purged_at=purged_at,
        ),
    )


def _delete_leftovers(
    connection: Connection, found: Subjects, locked: Locked, *, at: datetime
) -> int:
    """Delete what other tables have of the customers; return the number of dead letters."""
    names, deleted = locked.projections.names, 0
    for piece in _pieces(found.positions):
        deleted += leftovers.delete_dead_letters(connection, names, piece)
    for piece in _pieces([*found.streams]):
        leftovers.delete_snapshots(connection, names, piece)
    ids = [*found.streams.values(), *found.identifiers.source_ids]
    for piece in _pieces(ids):
        leftovers.delete_activity(connection, found.project_id, piece)
    jobs = [id_ for id_, text in leftovers.job_texts(connection) if found.needles.are_in(text)]
    if jobs:
        leftovers.empty_jobs(connection, jobs, at=at)
    return deleted


def _entries(connection: Connection, order: ErasureOrder, found: Subjects) -> list[int]:
    """Return the entries of the quarantine that contradict the events, or name the customers."""
    entries = set(order.quarantine_ids)
    for piece in _pieces(found.positions):
        by_project: dict[str, list[str]] = {}
        for _, project_id, event_id in subjects.identities(connection, piece):
            by_project.setdefault(project_id, []).append(event_id)
        for project_id, event_ids in by_project.items():
            entries.update(quarantined.of_events(connection, project_id, event_ids))
    needles, customers = found.needles, frozenset(found.streams.values())
    for each in quarantined.scan(connection):
        if each.default_customer_id in customers or any(
            needles.are_in(text) for text in (each.body, each.detail, each.event_id or "")
        ):
            entries.add(each.quarantine_id)
    return sorted(entries)


def _digests(connection: Connection, entries: Sequence[int]) -> Iterator[str]:
    for piece in _pieces(entries):
        yield from quarantined.digests(connection, piece)


def _suppress(connection: Connection, wanted: Sequence[str], erasure_id: int) -> int:
    return sum(digest_list.add(connection, piece, erasure_id) for piece in _pieces(wanted))


def _redact(
    connection: Connection, found: Subjects, key: bytes, erasure_id: int
) -> tuple[int, int]:
    """Turn the events into markers; return the numbers of duplicates and of new digests."""
    duplicates = suppressed = 0
    for piece in _pieces(found.positions):
        wanted = [
            digests.of_event(key, project_id, event_id)
            for _, project_id, event_id in subjects.identities(connection, piece)
        ]
        suppressed += digest_list.add(connection, wanted, erasure_id)
        duplicates += leftovers.delete_duplicates(connection, piece)
        marked = redaction.mark(connection, piece, erasure_id)
        # The rows are locked by the head's lock, so that this cannot be.
        assert marked == len(piece), "an event is missing"  # noqa: S101
        redaction.destroy_salts(connection, piece)
        archive_keys.destroy(connection, piece)
    return duplicates, suppressed


def _empty_streams(connection: Connection, stream_ids: Sequence[int], erasure_id: int) -> None:
    for piece in _pieces(stream_ids):
        redaction.record_streams(connection, piece, erasure_id)
        redaction.rename_streams(connection, piece)


def _record(
    connection: Connection, erasure_id: int, found: Subjects, head: Numbers, *, at: datetime
) -> int:
    """Append the events that tell of the erasure, and shut the door; return the last position."""
    events = own_events.make(
        erasure_id,
        found.project_id,
        customers=len(found.streams),
        positions=found.positions,
        after=head.position,
        at=at,
    )
    redaction.append_own(connection, events)
    position = events[-1].position
    log_head.advance(connection, position, head.stream_id)
    notifications.notify(connection)
    records.shut_door(connection, erasure_id, position)
    return position


def _pieces(items: Sequence[Item]) -> Iterator[list[Any]]:
    for begin in range(0, len(items), PIECE):
        yield list(items[begin : begin + PIECE])
