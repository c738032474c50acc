"""Appends events as they were recorded: with their positions, streams, times and late flags.

What follows from the events is written with them: the streams with their greatest keys, the head,
and the counts of the feeds, where how the events came is not known (the channel `earlier`). So are
the records of erasures: which there were, and which streams they emptied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import IntegrityError

from projector.envelope import (
    ERASED_SOURCE,
    RESERVED_PREFIX,
    CanonicalKey,
    CustomerKey,
    RecordedEvent,
)
from projector.errors import DatabaseBusy, EventsUnfit
from projector.projections.projection import Values
from projector.store import bulk, dialects, feed_counts, log, log_head, notifications
from projector.store.append_plan import Outcome
from projector.store.database import Database
from projector.store.erasure import markers
from projector.store.erasure.markers import erasure_of
from projector.store.erasure.told import ToldErasure
from projector.store.feed_counts import Channel
from projector.store.predicates import in_values
from projector.store.tables import erased_stream, erasure, event, stream

#: The greatest canonical key of a stream that was emptied.
_NO_KEY = CanonicalKey(datetime(1970, 1, 1, tzinfo=UTC), "")


def append_recorded(
    database: Database, events: Sequence[RecordedEvent], erasures: Iterable[ToldErasure] = ()
) -> None:
    """Append events at their own positions, which must be the log's next ones; in one transaction.

    `erasures` are those of which the events tell, among others. Durable when it returns. Raises
    DatabaseBusy if the log has moved, and EventsUnfit if the events contradict themselves or the
    log: an id or a customer twice, a stream id that is not the next.
    """
    with database.writing() as connection:
        head = log_head.lock(connection)
        if head.position != events[0].position - 1:
            reason = f"another process has moved the log to position {head.position}"
            raise DatabaseBusy(url=database, reason=reason)
        new, advanced, emptied = _streams(connection, events, head.stream_id)
        # COPY raises the driver's error.
        integrity_errors = (IntegrityError, database.engine.dialect.loaded_dbapi.IntegrityError)
        try:
            bulk.insert_many(connection, event, [_row(each) for each in events])
            bulk.insert_many(connection, stream, new)
        except integrity_errors as error:
            raise EventsUnfit(
                url=database,
                position=events[0].position,
                reason="an id or a customer is there twice",
            ) from error
        bulk.update_many(connection, stream, ("last_occurred_at", "last_event_id"), advanced)
        bulk.insert_many(connection, erased_stream, emptied)
        _record(connection, events, erasures)
        feed_counts.add(connection, _feed_rows(events))
        log_head.advance(connection, events[-1].position, head.stream_id + len(new))
        notifications.notify(connection)


def _row(it: RecordedEvent) -> tuple[object, ...]:
    """Return the tuple of table `event`, in the order of its columns."""
    identity = (it.position, it.project_id, it.event_id, it.type, it.stream_id)
    return (*identity, it.occurred_at, it.received_at, it.late, it.source, it.body)


def recorded_erasures(connection: Connection) -> set[int]:
    """Return the ids of the erasures that are recorded."""
    return set(connection.execute(select(erasure.c.erasure_id)).scalars())


def _record(
    connection: Connection, events: Sequence[RecordedEvent], erasures: Iterable[ToldErasure]
) -> None:
    """Record the erasures of which the last event is among these."""
    first, last = events[0].position, events[-1].position
    for each in erasures:
        if each.position is not None and first <= each.position <= last:
            connection.execute(
                insert(erasure).values(
                    erasure_id=each.erasure_id,
                    project_id=each.project_id,
                    erased_at=each.erased_at,
                    customers=each.customers,
                    events=each.events,
                    rows=0,
                    quarantined=0,
                    position=each.position,
                    # What it erased was never in these files.
                    purged_at=each.erased_at,
                )
            )


def _streams(
    connection: Connection, events: Sequence[RecordedEvent], last_stream_id: int
) -> tuple[list[Values], list[Values], list[Values]]:
    """Return the rows of `stream` that are new, those to update, and new rows of `erased_stream`.

    Those to update are (key, stream_id) of the streams whose greatest key rises. A stream id that
    is skipped belongs to a customer who was erased: a marker has come before. Raises EventsUnfit.
    """
    ids = {each.stream_id for each in events if each.stream_id is not None}
    greatest = _read_greatest(connection, [each for each in ids if each <= last_stream_id])
    new: dict[int, CustomerKey] = {}
    risen: set[int] = set()
    emptied: list[Values] = []
    marker: RecordedEvent | None = None
    for each in events:
        if each.source == ERASED_SOURCE:
            marker = each
        if each.stream_id is None:
            continue
        known = greatest.get(each.stream_id)
        if known is None:
            expected = last_stream_id + len(new) + 1
            if each.stream_id > expected and marker is None:
                marker = _last_marker(connection, each.position)
            customer_id = _require_next(connection, each, expected, can_skip=marker is not None)
            for stream_id in range(expected, each.stream_id):
                assert marker is not None, "it was found"  # noqa: S101
                new[stream_id] = CustomerKey(marker.project_id, f"{RESERVED_PREFIX}{stream_id}")
                greatest[stream_id] = _NO_KEY
                emptied.append((stream_id, erasure_of(marker.body)))
            new[each.stream_id] = CustomerKey(each.project_id, customer_id)
        if known is None or each.key > known:
            greatest[each.stream_id] = each.key
            risen.add(each.stream_id)
    rows: list[Values] = [
        (stream_id, *customer, *greatest[stream_id]) for stream_id, customer in new.items()
    ]
    advanced: list[Values] = [(*greatest[each], each) for each in sorted(risen - new.keys())]
    return rows, advanced, emptied


def _require_next(
    connection: Connection, first: RecordedEvent, expected: int, *, can_skip: bool
) -> str:
    """Return the customer of a new stream; raise EventsUnfit unless it has the expected id.

    Or one behind it; but no more are skipped than there were events.
    """
    last = expected + first.position - 1 if can_skip else expected
    if not expected <= (first.stream_id or 0) <= last or first.customer_id is None:
        reason = f"stream {first.stream_id} is not the next one"
        url = dialects.redact(connection.engine.url)
        raise EventsUnfit(url=url, position=first.position, reason=reason)
    return first.customer_id


def _last_marker(connection: Connection, before: int) -> RecordedEvent | None:
    """Return the last marker before a position, or None."""
    position = markers.last_before(connection, before)
    found = [] if position is None else log.read_at(connection, [position])
    return found[0] if found else None


def _read_greatest(connection: Connection, stream_ids: list[int]) -> dict[int, CanonicalKey]:
    """Return the greatest canonical keys of streams, by stream id."""
    statement = select(stream.c.stream_id, stream.c.last_occurred_at, stream.c.last_event_id).where(
        in_values(connection, stream.c.stream_id, stream_ids)
    )
    return {row[0]: CanonicalKey(row[1], row[2]) for row in connection.execute(statement)}


def _feed_rows(events: Iterable[RecordedEvent]) -> list[tuple[object, ...]]:
    """Return the tuples of table `feed_hour`, each of an hour in which events were received.

    Neither their senders nor how late they came are counted, as for the events that were in the
    log before deliveries were counted.
    """
    counts: Counter[tuple[datetime, str, str]] = Counter()
    last_at: dict[tuple[datetime, str, str], datetime] = {}
    for each in events:
        hour = each.received_at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        key = hour, each.project_id, feed_counts.counted_type(each.type)
        counts[key] += 1
        last_at[key] = max(last_at.get(key, each.received_at), each.received_at)
    zeros = (0,) * (len(feed_counts.LATENESS) + 1)
    channel, outcome = str(Channel.EARLIER), str(Outcome.APPENDED)
    return [
        (
            hour,
            project_id,
            "",
            type_,
            channel,
            outcome,
            number,
            *zeros,
            last_at[hour, project_id, type_],
        )
        for (hour, project_id, type_), number in sorted(counts.items())
    ]
