"""The two steps of a rebuild by buckets: scan a range of positions, fold a bucket of streams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter

from projector.batch import Change, Story, fold_stories, fold_streams
from projector.codec import Undecodable, decode_body, decode_encoded, encode
from projector.envelope import CanonicalKey, CustomerKey
from projector.events import FACTS
from projector.fold import KeyedFact, Unread
from projector.store import customers, log
from projector.store.log import Scanned
from replay import spill
from replay.engines.engine import Job, Piece, put_down
from replay.plan import PositionRange
from replay.spill import NO_STREAM, Spilled
from replay.workspace import spilling

#: A bucket with more bytes is not sorted in memory: a few customers have most of the events.
SORTED_BYTES_MAX = 64 * 1024 * 1024

_stream_id = itemgetter(0)


def scan(job: Job, bucket_of: Sequence[int], cut: PositionRange) -> int:
    """Spill what folds need of the events of a range; returns how many events that are."""
    blocks: dict[int, list[Spilled]] = {}
    with job.database.reading() as connection:
        for row in log.scan(connection, after=cut.after, until=cut.last):
            spilled = _spilled(row)
            if spilled is not None:
                blocks.setdefault(bucket_of[spilled[0]], []).append(spilled)
    with spilling(job.folder):
        spill.write(job.folder, blocks)
    return sum(map(len, blocks.values()))


def fold_bucket(job: Job, bucket: int) -> tuple[int, Piece]:
    """Fold the streams of a bucket; returns how many events that are, too."""
    path = spill.path_of(job.folder, bucket)
    with spilling(job.folder):
        is_large = path.exists() and path.stat().st_size > SORTED_BYTES_MAX
        events, changes = (_fold_by_index if is_large else _fold_sorted)(job, bucket)
        path.unlink(missing_ok=True)
    return events, put_down(job, changes)


def _spilled(scanned: Scanned) -> Spilled | None:
    """What is left of an event; None for one of a type that nobody reads."""
    position, stream_id, occurred_at, event_id, type_, source, body = scanned
    try:
        fact = decode_body(type_, source, body, is_nameless=stream_id is None)
    except Undecodable as error:
        return stream_id or NO_STREAM, occurred_at, event_id, position, type_, b"", str(error)
    if fact is None:
        return None
    return stream_id or NO_STREAM, occurred_at, event_id, position, type_, encode(fact), ""


def _fold_sorted(job: Job, bucket: int) -> tuple[int, list[Change]]:
    events = list(chain.from_iterable(spill.read(job.folder, bucket)))
    events.sort()
    with job.database.reading() as connection:
        stream_ids = list(dict.fromkeys(map(_stream_id, events)))
        whose = customers.of_streams(connection, stream_ids)
    return len(events), fold_stories(job.plan.projections, _stories(events, whose))


def _fold_by_index(job: Job, bucket: int) -> tuple[int, list[Change]]:
    """The database sorts what is too much to be sorted here."""
    events = 0
    stream_ids: set[int] = set()
    for block in spill.read(job.folder, bucket):
        events += len(block)
        stream_ids.update(map(_stream_id, block))
    with job.database.reading() as connection:
        whole = log.read_streams(connection, sorted(stream_ids), until=job.plan.until)
        if NO_STREAM in stream_ids:
            whole = chain(whole, log.read_streamless(connection, FACTS, until=job.plan.until))
        return events, fold_streams(job.plan.projections, whole)


def _stories(events: Iterable[Spilled], whose: Mapping[int, CustomerKey]) -> list[Story]:
    """The streams of a bucket by customer, as rows are written; those of nobody come first."""
    found = [
        (whose.get(stream_id), list(stream))
        for stream_id, stream in groupby(events, key=_stream_id)
    ]
    found.sort(key=lambda each: each[0] or ())
    return [Story(customer, each[0][0] or None, map(_keyed, each)) for customer, each in found]


def _keyed(spilled: Spilled) -> KeyedFact:
    _, occurred_at, event_id, position, type_, fact, reason = spilled
    key = CanonicalKey(occurred_at, event_id)
    if reason:
        return KeyedFact(key, Unread(FACTS[type_], reason), position)
    return KeyedFact(key, decode_encoded(type_, fact), position)
