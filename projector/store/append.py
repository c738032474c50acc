"""Appends batches to the event log: its write side, and the only way in for events.

Positions are dense and in commit order because every writer locks the head row from the numbering
of its events to its commit. The look-ups run optimistically, before the lock is taken; they are
repeated under the lock only if the head has moved in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from projector.envelope import CanonicalKey, Envelope, Rejected
from projector.store import (
    bulk,
    duplicates,
    feed_counts,
    log,
    log_head,
    notifications,
    quarantine,
)
from projector.store.append_plan import (
    AppendPlan,
    CustomerIdentity,
    Head,
    LogSnapshot,
    Outcome,
    Receipt,
    Stream,
    make_plan,
)
from projector.store.database import Database
from projector.store.direct_append import append_directly
from projector.store.erasure import suppression
from projector.store.erasure.suppression import Suppression
from projector.store.feed_counts import Arrival, Channel
from projector.store.predicates import array_parameter, in_array
from projector.store.quarantine import QuarantineItem
from projector.store.stream_cache import StreamCache
from projector.store.tables import event, stream

__all__ = ["Channel", "ErasedMeanwhile", "Outcome", "Receipt", "append"]


class ErasedMeanwhile(Exception):
    """An erasure has come between the reading of a batch from the quarantine and its append."""


def append(
    database: Database,
    items: Sequence[Envelope | Rejected],
    *,
    received_at: datetime,
    cache: StreamCache | None = None,
    channel: Channel = Channel.LIVE,
    counted_at: datetime | None = None,
    read_after: int | None = None,
) -> list[Receipt]:
    """Append a batch in one transaction; return a receipt for each item, in the items' order.

    Idempotent: an event that is in the log already is a duplicate, or a conflict if its facts
    differ. Conflicts and rejected items are quarantined. Nothing is kept of what was erased and
    comes again. Atomic and durable: when this returns,
    the whole batch is on disk; when it raises, nothing of it is stored. A writer of many batches
    should pass a `cache` of its own.

    Every delivery is counted in its feed, in the hour of `counted_at`; by default that is the hour
    in which it was received.

    What is read from the quarantine names the last erasure that was seen there, `read_after`: parts
    of it may have been erased since. Raises ErasedMeanwhile, with nothing stored, if there was
    another erasure, and parts of the batch would be quarantined.
    """
    cache = cache or StreamCache()
    others = cache.senders.others(database, feed_counts.senders(items))
    arrival = Arrival(received_at, channel, counted_at or received_at, others)
    direct = append_directly(database, items, arrival, cache)
    if direct is not None:
        cache.follow(direct)
        return direct.receipts
    with database.reading() as connection:
        plan, quarantined = _plan(connection, items, cache)
    with database.writing() as connection:
        if log_head.lock(connection) != plan.before[:2]:
            # Also the last erasure: the statement that locks began before it waited.
            plan, quarantined = _plan(connection, items, cache)
        if quarantined and read_after not in (None, plan.before.erasure_id):
            raise ErasedMeanwhile
        _write(connection, plan, quarantined, received_at)
        outcomes = [receipt.outcome for receipt in plan.receipts]
        feed_counts.add(connection, feed_counts.rows(items, outcomes, arrival))
    cache.follow(plan)
    return plan.receipts


def _plan(
    connection: Connection, items: Sequence[Envelope | Rejected], cache: StreamCache
) -> tuple[AppendPlan, list[QuarantineItem]]:
    """Return the plan for the items, and the new entries of the quarantine among them.

    Raises LogHeadBehind.
    """
    numbers, erasure_id = log_head.read_with_erasure(connection)
    head = Head(*numbers, erasure_id)
    cache.suppression = suppression.renew(connection, cache.suppression, erasure_id)
    plan = make_plan(items, _read_snapshot(connection, items, head, cache))
    return plan, _items_to_quarantine(connection, plan, cache.suppression)


def _read_snapshot(
    connection: Connection, items: Sequence[Envelope | Rejected], head: Head, cache: StreamCache
) -> LogSnapshot:
    """Look up the events and the streams of a batch; streams only if the cache lacks them."""
    known = cache.as_of(head)
    event_ids: dict[str, list[str]] = {}
    customer_ids: dict[str, set[str]] = {}
    for item in items:
        if isinstance(item, Rejected):
            continue
        event_ids.setdefault(item.project_id, []).append(item.event_id)
        if item.customer_id is not None and (item.project_id, item.customer_id) not in known:
            customer_ids.setdefault(item.project_id, set()).add(item.customer_id)
    events = log.find_by_ids(connection, event_ids)
    known.update(_find_streams(connection, customer_ids))
    return LogSnapshot(
        head=head, events=events, streams=known, suppressed=cache.suppression.among(items)
    )


def _find_streams(
    connection: Connection, customer_ids: dict[str, set[str]]
) -> dict[CustomerIdentity, Stream]:
    found: dict[CustomerIdentity, Stream] = {}
    statement = _select_streams(connection.dialect.name)
    for project_id, ids in customer_ids.items():
        params = {"project_id": project_id, "customer_ids": array_parameter(connection, list(ids))}
        for stream_id, _, customer_id, *last in connection.execute(statement, params).all():
            found[project_id, customer_id] = Stream(stream_id, CanonicalKey(*last))
    return found


@cache
def _select_streams(dialect: str) -> Select[Any]:
    return select(stream).where(
        stream.c.project_id == bindparam("project_id"),
        in_array(dialect, stream.c.customer_id, "customer_ids"),
    )


def _items_to_quarantine(
    connection: Connection, plan: AppendPlan, suppression: Suppression
) -> list[QuarantineItem]:
    """Return the items to quarantine, without those that were there before and went.

    A delivery whose quarantine entry was resolved is in the log by now: its receipt in the plan
    becomes a duplicate's. That of one whose entry was erased becomes a suppressed one's.
    """
    rejected = [quarantine.to_item(item) for item in plan.rejected]
    if not rejected:
        return []
    resolved = quarantine.resolved_positions(connection, rejected)
    erased = suppression.bodies_among(each.digest for each in rejected)
    outcomes = (Outcome.QUARANTINED, Outcome.CONFLICT)
    indexes = [at for at, receipt in enumerate(plan.receipts) if receipt.outcome in outcomes]
    for at, each in zip(indexes, rejected, strict=True):
        if each.digest in erased:
            plan.receipts[at] = Receipt(Outcome.SUPPRESSED, None)
        elif each.digest in resolved:
            position = resolved[each.digest]
            plan.receipts[at] = Receipt(Outcome.DUPLICATE, position)
            plan.duplicates[position] += 1
    return [each for each in rejected if each.digest not in erased and each.digest not in resolved]


def _write(
    connection: Connection,
    plan: AppendPlan,
    quarantined: Sequence[QuarantineItem],
    received_at: datetime,
) -> None:
    bulk.insert_many(
        connection,
        event,
        [planned.row(received_at) for planned in plan.events],
    )
    new_rows = [
        (known.stream_id, *customer, *known.last) for customer, known in plan.new_streams.items()
    ]
    bulk.insert_many(connection, stream, new_rows)
    advanced_rows = [(*known.last, known.stream_id) for known in plan.advanced_streams.values()]
    bulk.update_many(connection, stream, ("last_occurred_at", "last_event_id"), advanced_rows)
    quarantine.add(connection, quarantined, received_at=received_at)
    duplicates.add(connection, plan.duplicates, received_at=received_at)
    if plan.after != plan.before:
        log_head.advance(connection, *plan.after[:2])
        notifications.notify(connection)
