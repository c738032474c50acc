"""Appends batches of new events only, in as few steps as a database needs: the direct path.

`append` tries it first. It returns None for everything else: a delivery that is a duplicate, a
conflict, rejected or suppressed, a batch that is too large, a log whose head is not its end, a
connection through a pooler of transactions. Then nothing was written, and `append` takes the
ordinary path, which writes the same rows wherever both can.

Why it is right:

- The plan is that of the ordinary path (`make_plan`), against the head and the streams as of that
  head. No other writer can append in between. On SQLite the transaction holds the write lock before
  it reads. On Postgres one statement does everything: it advances the head if it is where the plan
  begins (compare-and-set, which holds the lock of the row to the commit), and inserts only if it
  did.
- The log itself judges whether an event is new. On SQLite that is the trigger and the unique index
  of `event`, whose refusal rolls everything back. On Postgres the compare-and-set requires that
  none of the ids exists. Its snapshot has all events up to the head that it compares with: every
  append moves the head, and a moved head fails the comparison.
- Nothing erased comes in again. Every erasure advances the head of the log, so the head that the
  plan begins at is also that of the list of what is suppressed. When a writer sees an erasure for
  the first time, the ordinary path reads the list for its cache; as long as none was made, no
  statement is sent for it.
- A head that is behind the log is noticed as in `log_head.lock`.
- One transaction, one commit: with fsync on SQLite, in autocommit mode on Postgres.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from itertools import repeat
from typing import Any

import msgspec

from projector.envelope import CanonicalKey, Envelope, Rejected
from projector.projections.projection import Values
from projector.store import bulk, feed_counts, sqlite
from projector.store.append_plan import (
    AppendPlan,
    CustomerIdentity,
    Head,
    LogSnapshot,
    Outcome,
    Stream,
    make_plan,
)
from projector.store.binary_arrays import encode_array
from projector.store.database import Database
from projector.store.feed_counts import Arrival
from projector.store.stream_cache import StreamCache
from projector.store.tables import event, feed_hour, stream

# ruff: noqa: S608 - the names in these statements are those of our own tables

#: The most items of a batch, by database. Postgres takes more rows faster by COPY.
SQLITE_ITEMS_MAX = 5_000
POSTGRES_ITEMS_MAX = 100

#: The head of the log, and the numbers that it must not be behind.
_HEAD = (
    "SELECT position, stream_id,"
    " (SELECT coalesce(max(erasure_id), 0) FROM erasure),"
    " (SELECT coalesce(max(position), 0) FROM event),"
    " (SELECT coalesce(max(stream_id), 0) FROM stream) FROM log_head"
)
_FIND_STREAMS = (
    "SELECT customer_id, stream_id, last_occurred_at, last_event_id FROM stream"
    " WHERE project_id = ? AND customer_id IN (SELECT value FROM json_each(?))"
)
_ADVANCE_STREAM = "UPDATE stream SET last_occurred_at = ?, last_event_id = ? WHERE stream_id = ?"
_ADVANCE = "UPDATE log_head SET position = ?, stream_id = ?"

#: Besides the streams of a batch those of the same customers in its other projects, which are as
#: true.
_LOOK = (
    "SELECT head.position, head.stream_id, (SELECT coalesce(max(erasure_id), 0) FROM erasure),"
    " known.project_id, known.customer_id, known.stream_id,"
    " known.last_occurred_at, known.last_event_id FROM log_head AS head LEFT JOIN stream AS known"
    " ON known.project_id = ANY(%b::text[]) AND known.customer_id = ANY(%b::text[])"
)


def append_directly(
    database: Database,
    items: Sequence[Envelope | Rejected],
    arrival: Arrival,
    cache: StreamCache,
) -> AppendPlan | None:
    """Append a batch of new events and return its plan; or write nothing and return None.

    When it returns a plan, the whole batch is on disk; the caller lets the cache follow it.
    """
    if not (cache.is_plain and cache.suppression.is_kept):
        return None
    items_max = SQLITE_ITEMS_MAX if database.is_sqlite else POSTGRES_ITEMS_MAX
    if not 0 < len(items) <= items_max:
        return None
    envelopes = [item for item in items if isinstance(item, Envelope)]
    if len(envelopes) < len(items):
        return None
    with database.autocommitting() as driver:
        if driver is None:
            return None
        append_to = _append_to_sqlite if database.is_sqlite else _append_to_postgres
        return append_to(driver, envelopes, arrival, cache)


def _append_to_sqlite(
    driver: Any, envelopes: Sequence[Envelope], arrival: Arrival, cache: StreamCache
) -> AppendPlan | None:
    driver.execute(sqlite.WRITING)
    try:
        plan = _write_to_sqlite(driver, envelopes, arrival, cache)
    except sqlite3.IntegrityError:
        # The log refused an event, which it has already.
        plan = None
    driver.execute("ROLLBACK" if plan is None else "COMMIT")
    return plan


def _write_to_sqlite(
    driver: Any, envelopes: Sequence[Envelope], arrival: Arrival, cache: StreamCache
) -> AppendPlan | None:
    head = _read_head(driver)
    if head is None:
        return None
    known = cache.as_of(head)
    for project_id, customer_ids in _unknown(envelopes, known).items():
        params = project_id, msgspec.json.encode(customer_ids).decode()
        for customer_id, stream_id, at, event_id in driver.execute(_FIND_STREAMS, params):
            last = CanonicalKey(datetime.fromisoformat(at), event_id)
            known[project_id, customer_id] = Stream(stream_id, last)
    plan = _plan(envelopes, cache)
    if plan is None:
        return None
    events = bulk.to_sqlite_params(list(event.columns), _event_rows(plan, arrival))
    driver.executemany(bulk.sqlite_insert(event), events)
    columns = list(stream.columns)
    if new := _stream_rows(plan.new_streams):
        driver.executemany(bulk.sqlite_insert(stream), bulk.to_sqlite_params(columns, new))
    if advanced := _stream_rows(plan.advanced_streams):
        rows = bulk.to_sqlite_params(columns, advanced)
        driver.executemany(_ADVANCE_STREAM, [(*row[3:], row[0]) for row in rows])
    counts = bulk.to_sqlite_params(list(feed_hour.columns), _counts(envelopes, arrival))
    driver.executemany(f"{bulk.sqlite_insert(feed_hour)} {feed_counts.on_conflict()}", counts)
    driver.execute(_ADVANCE, plan.after[:2])
    return plan


def _read_head(driver: Any) -> Head | None:
    """Return the head of the log; None if it is missing, or behind the log."""
    row = driver.execute(_HEAD).fetchone()
    if row is None or row[0] < row[3] or row[1] < row[4]:
        return None
    return Head(*row[:3])


def _append_to_postgres(
    driver: Any, envelopes: Sequence[Envelope], arrival: Arrival, cache: StreamCache
) -> AppendPlan | None:
    """Try with the streams of the cache, and once more if another writer has moved the head."""
    counts = bulk.to_postgres_params(list(feed_hour.columns), _counts(envelopes, arrival))
    for is_again in (False, True):
        before = cache.head
        if is_again or before.position < 0 or _unknown(envelopes, cache.streams):
            _look(driver, envelopes, cache)
            if is_again and cache.head == before:
                # It was not the head: an event is in the log already.
                return None
        plan = _plan(envelopes, cache)
        if plan is None:
            return None
        if _write_to_postgres(driver, plan, arrival, counts):
            return plan
    return None


def _look(driver: Any, envelopes: Sequence[Envelope], cache: StreamCache) -> None:
    """Let the cache know the head and all streams of a batch, in one snapshot."""
    projects = {each.project_id for each in envelopes}
    customers = {each.customer_id for each in envelopes if each.customer_id is not None}
    params = encode_array("text", projects), encode_array("text", customers)
    rows = driver.execute(_LOOK, params).fetchall()
    if not rows:
        return
    known = cache.as_of(Head(*rows[0][:3]))
    for _, _, _, project_id, customer_id, stream_id, *last in rows:
        if stream_id is not None:
            known[project_id, customer_id] = Stream(stream_id, CanonicalKey(*last))


def _write_to_postgres(driver: Any, plan: AppendPlan, arrival: Arrival, counts: Values) -> bool:
    """Write a plan in one statement; return whether it was written."""
    from psycopg.errors import IntegrityError

    events = bulk.to_postgres_params(list(event.columns), _event_rows(plan, arrival))
    changed = {**plan.new_streams, **plan.advanced_streams}
    streams = bulk.to_postgres_params(list(stream.columns), _stream_rows(changed))
    project_ids, event_ids = events[1:3]
    params = (*plan.after[:2], *plan.before[:2], project_ids, event_ids, *events, *streams, *counts)
    try:
        return driver.execute(_write_statement(), params).fetchone() is not None
    except IntegrityError:
        return False


@cache
def _write_statement() -> str:
    """Return the statement that advances the head if it can, and then writes everything else.

    LIMIT 1 lets each event be looked up by itself, by the unique index: a join might be planned as
    a scan of a table that was small when the statement was prepared.
    """
    return (
        "WITH advanced AS (UPDATE log_head SET position = %b::int8, stream_id = %b::int8"
        " WHERE position = %b::int8 AND stream_id = %b::int8"
        " AND position >= (SELECT coalesce(max(position), 0) FROM event)"
        " AND stream_id >= (SELECT coalesce(max(stream_id), 0) FROM stream)"
        " AND NOT EXISTS (SELECT FROM unnest(%b::text[], %b::text[]) AS new (project_id, event_id)"
        " CROSS JOIN LATERAL (SELECT FROM event WHERE event.project_id = new.project_id"
        " AND event.event_id = new.event_id LIMIT 1) AS found) RETURNING 1),"
        f" events AS ({bulk.postgres_insert(event)} FROM advanced),"
        f" streams AS ({bulk.postgres_insert(stream)} FROM advanced {bulk.on_conflict(stream)}),"
        f" feeds AS ({bulk.postgres_insert(feed_hour)} FROM advanced {feed_counts.on_conflict()})"
        " SELECT pg_notify('projector', '') FROM advanced"
    )


def _unknown(
    envelopes: Sequence[Envelope], known: Iterable[CustomerIdentity]
) -> dict[str, set[str]]:
    """Return the customers that are not known, by project."""
    unknown: dict[str, set[str]] = {}
    customers = {(each.project_id, each.customer_id) for each in envelopes}
    for project_id, customer_id in customers.difference(known):
        if customer_id is not None:
            unknown.setdefault(project_id, set()).add(customer_id)
    return unknown


def _plan(envelopes: Sequence[Envelope], cache: StreamCache) -> AppendPlan | None:
    """Return the plan; None if the batch repeats an event, or if one is suppressed or may be."""
    suppression = cache.suppression
    if suppression.erasure_id != cache.head.erasure_id:
        return None
    suppressed = suppression.among(envelopes)
    if any(suppressed):
        return None
    snapshot = LogSnapshot(head=cache.head, events={}, streams=cache.streams)
    plan = make_plan(envelopes, snapshot)
    return plan if len(plan.events) == len(envelopes) else None


def _event_rows(plan: AppendPlan, arrival: Arrival) -> list[tuple[Any, ...]]:
    return [planned.row(arrival.received_at) for planned in plan.events]


def _counts(envelopes: Sequence[Envelope], arrival: Arrival) -> list[tuple[Any, ...]]:
    """Return the tuples of table `feed_hour` that the batch adds: all of it is appended."""
    return feed_counts.rows(envelopes, repeat(Outcome.APPENDED), arrival)


def _stream_rows(streams: dict[CustomerIdentity, Stream]) -> list[tuple[Any, ...]]:
    """Return the tuples of table `stream`, in the order of its columns."""
    return [(each.stream_id, *customer, *each.last) for customer, each in streams.items()]
