"""Folds one stream after the other in this process, read by index: the reference engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from projector.envelope import RecordedEvent
from projector.facts.registry import facts
from projector.runner.batch import fold_streams
from projector.store import customers, log
from replay.engines.engine import Engine, EnginePiece, Job, stage

#: The number of streams in a piece.
STREAMS_MAX = 1_000


def run(job: Job) -> Iterator[EnginePiece]:
    """Fold the streams ordered by customer, then the events that are in no stream."""
    done, until = 0, job.plan.until
    with job.database.reading() as connection:
        stream_ids = (stream_id for stream_id, _ in customers.in_order(connection))
        while ids := list(islice(stream_ids, STREAMS_MAX)):
            events = _Counted(log.read_streams(connection, ids, until=until))
            yield stage(job, [fold_streams(job.plan.shadows, events, takes_snapshots=True)])
            done += events.count
            job.on_progress("folding", done, until)
        rest = log.read_without_customer(connection, facts(), until=until)
        yield stage(job, [fold_streams(job.plan.shadows, rest)])


ENGINE = Engine(name="in-process", run=run)


class _Counted:
    """An iterable of events that counts those taken from it."""

    def __init__(self, events: Iterable[RecordedEvent]) -> None:
        self._events = events
        self.count = 0

    def __iter__(self) -> Iterator[RecordedEvent]:
        for event in self._events:
            self.count += 1
            yield event
