"""Scans ranges of positions into buckets, and folds buckets of streams."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from operator import itemgetter

from projector.facts.codec import decode_body, decode_encoded, encode
from projector.facts.registry import facts
from projector.projections.projection import KeyedFact
from projector.runner.batch import fold_streams
from projector.runner.projection_fold import ProjectionChange
from projector.runner.stream_facts import StreamFacts
from projector.store import log
from replay import spill
from replay.engines.engine import EnginePiece, Job, fold_parts, stage
from replay.plan import PositionRange
from replay.spill import NO_STREAM, Block, SpillRecord
from replay.workspace import spilling

#: The largest bucket that is sorted in memory; a larger one has customers with most of the events.
SORTED_BYTES_MAX = 64 * 1024 * 1024

_stream_id = itemgetter(0)


def scan(job: Job, bucket_of: Sequence[int], cut: PositionRange) -> int:
    """Decode the events of a range and append them to their buckets; return their number.

    Events that no projection can read are skipped, and not counted.
    """
    blocks: defaultdict[int, Block] = defaultdict(Block)
    to_datetime = datetime.fromisoformat if job.database.is_sqlite else _unchanged
    with job.database.reading() as connection:
        for row in log.scan(connection, after=cut.after, until=cut.last):
            position, stream_id, occurred_at, event_id, type_, source, body = row
            fact = decode_body(type_, source, body, is_nameless=stream_id is None)
            if fact is None:
                continue
            stream_id = stream_id or NO_STREAM
            key = to_datetime(occurred_at), event_id
            blocks[bucket_of[stream_id]].add((stream_id, key, position, type_, encode(fact)))
    with spilling(job.folder):
        spill.write(job.folder, blocks)
    return sum(map(len, blocks.values()))


def _unchanged(instant: datetime) -> datetime:
    return instant


def fold_bucket(job: Job, bucket: int) -> tuple[int, EnginePiece]:
    """Fold the streams of a bucket, and delete it; return its number of events and the piece."""
    path = spill.path_of(job.folder, bucket)
    with spilling(job.folder):
        is_large = path.exists() and path.stat().st_size > SORTED_BYTES_MAX
        events, parts = (_fold_by_index if is_large else _fold_sorted)(job, bucket)
        spill.remove(job.folder, bucket)
    return events, stage(job, parts)


def _fold_sorted(job: Job, bucket: int) -> tuple[int, Iterable[list[ProjectionChange]]]:
    """Read a bucket, and fold it part by part when the result is iterated over."""
    events: defaultdict[int, list[SpillRecord]] = defaultdict(list)
    for record in chain.from_iterable(spill.read(job.folder, bucket)):
        events[record[0]].append(record)
    # Ordered by customer, which is the order of the primary key: inserts append to the index.
    customers = [each for each in spill.customers(job.folder, bucket) if each[0] in events]
    streams = chain(
        [StreamFacts(None, None, _facts(events.get(NO_STREAM, [])))],
        (StreamFacts(customer, each, _facts(events[each])) for each, customer in customers),
    )
    return sum(map(len, events.values())), fold_parts(job.plan.shadows, streams)


def _fold_by_index(job: Job, bucket: int) -> tuple[int, Iterable[list[ProjectionChange]]]:
    """Fold a bucket that is too large to sort in memory: the database sorts its events."""
    events = 0
    stream_ids: set[int] = set()
    for block in spill.read(job.folder, bucket):
        events += len(block)
        stream_ids.update(map(_stream_id, block))
    with job.database.reading() as connection:
        whole = log.read_streams(connection, sorted(stream_ids), until=job.plan.until)
        if NO_STREAM in stream_ids:
            whole = chain(
                whole, log.read_without_customer(connection, facts(), until=job.plan.until)
            )
        return events, [fold_streams(job.plan.shadows, whole, takes_snapshots=True)]


def _facts(spilled: list[SpillRecord]) -> Iterator[KeyedFact]:
    """Decode the facts of one stream in canonical order."""
    spilled.sort()
    for _, key, position, type_, fact in spilled:
        yield key, decode_encoded(type_, fact), position
