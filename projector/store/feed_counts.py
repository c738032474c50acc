"""Counts the deliveries of each feed, in the transaction that appends them.

Duplicates, conflicts and rejected deliveries never reach the log, so no fold can count them. The
rows are written while the transaction holds the lock of the log's head, so that no count is lost
and no two writers wait for each other's rows. The sum of the deliveries by outcome is therefore
that of the receipts, after any crash.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import Envelope, Rejected
from projector.facts import sendings
from projector.facts.registry import facts
from projector.store import bulk
from projector.store.append_plan import Outcome
from projector.store.tables import feed_hour

#: The value of a type that is not in the vocabulary, and of a sender beyond the first SENDERS_MAX.
OTHER = "other"

#: How many senders of a project are counted by their ids: senders can make up any number.
SENDERS_MAX = 500

#: The columns of the histogram of lateness, in the order of the table, with their upper bounds.
LATENESS: tuple[tuple[str, timedelta | None], ...] = (
    ("late_10s", timedelta(seconds=10)),
    ("late_90s", timedelta(seconds=90)),
    ("late_1h", timedelta(hours=1)),
    ("late_6h", timedelta(hours=6)),
    ("late_1d", timedelta(days=1)),
    ("late_3d", timedelta(days=3)),
    ("late_more", None),
)

#: The clock that stamps an event and the one here may differ by this much.
_CLOCKS_APART = timedelta(seconds=10)

#: Bounds of lateness, greatest first, so that the instants before `received_at` ascend.
_BOUNDS = (*(bound for _, bound in reversed(LATENESS) if bound is not None), -_CLOCKS_APART)

#: The columns that are added up.
_SUMS = ("deliveries", *(name for name, _ in LATENESS), "early")


class Channel(StrEnum):
    """The way on which deliveries arrive."""

    #: Webhooks and events that are sent over HTTP.
    LIVE = "live"
    #: Files that are ingested.
    FILE = "file"
    #: Activity that was read from Voucherify's API.
    BACKFILL = "backfill"
    #: What the program itself saw of a customer at Voucherify: observations.
    RECONCILE = "reconcile"
    #: Deliveries that waited in the quarantine and are read again.
    RETRY = "retry"
    #: Events that were in the log before deliveries were counted.
    EARLIER = "earlier"


#: A project and a sender in it.
Sender = tuple[str, str]


@frozen
class Arrival:
    """When and how a batch of deliveries arrived."""

    received_at: datetime
    channel: str
    #: The hour in which they are counted is that of this instant.
    counted_at: datetime
    #: The senders that are counted as OTHER.
    others: frozenset[Sender] = frozenset()


def senders(items: Iterable[Envelope | Rejected]) -> set[Sender]:
    """Return the senders of a batch that name themselves."""
    return {
        (item.project_id, item.sender)
        for item in items
        if isinstance(item, Envelope) and item.sender
    }


def rows(
    items: Sequence[Envelope | Rejected], outcomes: Iterable[Outcome], arrival: Arrival
) -> list[tuple[Any, ...]]:
    """Return the tuples of table `feed_hour` that a batch adds, in the order of their keys."""
    counts = _count(items, outcomes, arrival)
    hour = arrival.counted_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return [
        (
            *(hour, project_id, sender, type_, arrival.channel, str(outcome)),
            *(deliveries, *reversed(late), early, arrival.counted_at),
        )
        for (project_id, sender, type_, outcome), (deliveries, *late, early) in counts.items()
    ]


def _count(
    items: Sequence[Envelope | Rejected], outcomes: Iterable[Outcome], arrival: Arrival
) -> Mapping[tuple[str, str, str, Outcome], list[int]]:
    """Count by project, sender, type and outcome; each value as in `_BOUNDS`, after the total."""
    cuts = [arrival.received_at - bound for bound in _BOUNDS]
    known, others = _types(), arrival.others
    counts: dict[tuple[str, str, str, Outcome], list[int]] = {}
    for item, outcome in zip(items, outcomes, strict=False):
        if isinstance(item, Rejected):
            key = item.project_id or "", "", "", outcome
        else:
            type_ = item.type if item.type in known else OTHER
            sender = item.sender
            if others and (item.project_id, sender) in others:
                sender = OTHER
            key = item.project_id, sender, type_, outcome
        found = counts.get(key)
        if found is None:
            found = counts[key] = [0] * (len(_BOUNDS) + 2)
        found[0] += 1
        if outcome is Outcome.APPENDED and isinstance(item, Envelope):
            found[1 + bisect_right(cuts, item.occurred_at)] += 1
    return counts


def counted_type(type_: str) -> str:
    """Return the name by which events of a type are counted."""
    return type_ if type_ in _types() else OTHER


@cache
def _types() -> frozenset[str]:
    """Return the types that are counted by name."""
    return frozenset({*facts(), sendings.TYPE})


def add(connection: Connection, added: Sequence[tuple[Any, ...]]) -> None:
    """Add to the counts; the caller holds the lock of the log's head."""
    bulk.upsert_many_by(connection, feed_hour, added, on_conflict())


@cache
def on_conflict() -> str:
    """Return the clause that adds a row's counts to those of the same hour and feed."""
    later = "CASE WHEN excluded.last_at > feed_hour.last_at THEN excluded.last_at"
    return f"{bulk.on_conflict_add(feed_hour, _SUMS)}, last_at = {later} ELSE feed_hour.last_at END"
