"""Takes snapshots often, and compares those in a database with the fold of the log."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from projector.envelope import CanonicalKey, RecordedEvent
from projector.facts.codec import decode
from projector.projections import snapshots
from projector.projections.projection import Projection, Readers, class_of, fold
from projector.store import log
from projector.store.checkpoints import read as read_checkpoints
from projector.store.database import Database
from projector.store.tables import snapshot


@contextmanager
def snapshots_every(events: int) -> Iterator[None]:
    """Take a snapshot behind one event in `events`, instead of one in hundreds."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(snapshots, "INTERVAL_EVENTS", events)
        yield


def forget_all(database: Database) -> None:
    """Delete all snapshots, as if no event had ever been chosen for one."""
    with database.writing() as connection:
        connection.execute(snapshot.delete())


def check(database: Database, projections: Sequence[Projection]) -> int:
    """Check that every snapshot is the fold of its prefix of the log; return their number."""
    by_name = {each.name: each for each in projections}
    with database.reading() as connection:
        stored = connection.execute(select(snapshot)).all()
        checkpoints = read_checkpoints(connection, projections)
        events = log.read(connection, after=0, until=log.head(connection), limit=100_000)
    for each in stored:
        projection = by_name[each.projection]
        key = CanonicalKey(each.occurred_at, each.event_id)
        until = checkpoints[projection.name].position
        folded = [
            event
            for event in events
            if event.stream_id == each.stream_id and event.position <= until
        ]
        assert key in [event.key for event in folded]
        read = [event for event in folded if _reads(projection, event)]
        prefix = sorted((event for event in read if event.key <= key), key=_key)
        assert snapshots.unpack(projection, each.state) is not None
        assert _sorted(snapshots.unpack(projection, each.state)) == _last_rows(projection, prefix)
        assert all(event.position <= each.complete_at for event in prefix)
        assert all(event.position > each.tail_after for event in read if event.key > key)
    return len(stored)


def _key(event: RecordedEvent) -> CanonicalKey:
    return event.key


def _reads(projection: Projection, event: RecordedEvent) -> bool:
    fact = decode(event)
    return fact is not None and bool(Readers((projection,))[class_of(fact)])


def _last_rows(projection: Projection, events: Sequence[RecordedEvent]) -> list[str]:
    """The rows that events give; of a history the last row of each series."""
    facts = [(each.key, decode(each), each.position) for each in events]
    [state], _ = fold([projection], [projection.initial], facts)  # type: ignore[arg-type]
    rows = projection.to_rows(state)
    if projection.is_history:
        *series, number = projection.key
        last: dict[Any, Any] = {}
        for row in sorted(rows, key=lambda row: getattr(row, number)):
            last[tuple(getattr(row, name) for name in series)] = row
        rows = list(last.values())
    return _sorted(rows)


def _sorted(rows: Any) -> list[str]:
    return sorted(map(repr, rows))
