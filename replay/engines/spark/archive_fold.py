"""Folds an archive on machines that reach the archive and no database.

An engine distributes two tasks. `read_facts` reads some row groups of a file and yields what folds
need of their events. `fold_facts` gets all of that of some streams, in canonical order, folds them,
and puts the result into the archive's folder `work`: the rows in the form in which the database
takes them, and what belongs to them. Between the two tasks the engine shuffles and sorts.

With the facts of the events travels a tally for each task that read some, so that the engine can
tell whether all of them arrived.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
from attrs import frozen

from projector.envelope import CanonicalKey, CustomerKey
from projector.errors import WorkerUnfit
from projector.facts import registry
from projector.facts.codec import decode_body, decode_encoded, encode
from projector.projections import named
from projector.projections.projection import KeyedFact, Projection
from projector.projections.rebuilding import rebuilding
from projector.runner.stream_facts import StreamFacts
from projector.store.rebuild import staging
from projector.store.row_tables import fingerprint
from replay.archive import shelf
from replay.archive.shelf import Shelf
from replay.engines.engine import Cost, fold_parts, write_parts
from replay.engines.spark import results
from replay.engines.spark.file_parts import FilePart

#: The number that stands in place of a stream's id in a tally.
TALLY = 0

#: The processor time of this process when its cost was last taken.
_cpu_seconds_taken = time.process_time()

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FactRow(NamedTuple):
    """The part of an event that folds need; or a tally, whose `fact` is an encoded `Tally`."""

    #: The stream's id; for an event about no customer its negative position, so that such events
    #: do not all meet in one task.
    stream: int
    #: `occurred_at`, in microseconds since 1970.
    at: int
    event_id: str
    position: int
    type: str
    #: The fact as encoded by the codec.
    fact: bytes
    project_id: str
    customer_id: str | None


class Tally(msgspec.Struct, frozen=True):
    """The count of a task that read events.

    As everything that is shuffled, it follows from the archive alone: of a lost task Spark accepts
    no output but the same.
    """

    #: The events that it read.
    events: int
    #: Those among them that a projection can read.
    facts: int

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both."""
        return Tally(self.events + other.events, self.facts + other.facts)


@frozen(kw_only=True)
class ArchiveWork:
    """The input that all tasks have in common; it travels to other machines."""

    archive_url: str
    #: The beginning of the names in the archive of the results of this rebuild.
    prefix: str
    #: The names of the live projections; the tasks fold for their shadows.
    projections: tuple[str, ...]
    #: Whether the rows are for SQLite; otherwise for Postgres.
    is_sqlite: bool
    #: The `identity` of the driver, which that of every process must equal.
    identity: dict[str, str]


@frozen(kw_only=True)
class FoldResult:
    """The result of a task that folded streams."""

    #: The name of its results in the archive, and their SHA-256; None if it got no event.
    name: str | None
    sha256: str | None
    #: The number of facts folded.
    facts: int
    #: The tallies that it got, added up.
    tally: Tally
    cost: Cost


NO_TALLY = Tally(0, 0)


def read_facts(work: ArchiveWork, part: FilePart) -> Iterator[list[FactRow]]:
    """Yield the facts of a part of a file, by row group, and a tally in the end.

    Raises ArchiveBroken, ArchiveKeyMissing, ArchiveUnreachable.
    """
    events = facts = 0
    for count, rows_ in part.read(_shelf(work.archive_url)):
        found = list(_facts(rows_))
        events += count
        facts += len(found)
        yield found
    tally = Tally(events, facts)
    yield [FactRow(TALLY, 0, "", 0, "", msgspec.msgpack.encode(tally), "", None)]


def _facts(events: Iterable[tuple[Any, ...]]) -> Iterator[FactRow]:
    """Decode the events of a row group; leave out those that no projection can read."""
    for position, project_id, event_id, type_, stream_id, customer_id, at, source, body in events:
        fact = decode_body(type_, source, body, is_nameless=stream_id is None)
        if fact is not None:
            stream = -position if stream_id is None else stream_id
            yield FactRow(
                stream, at, event_id, position, type_, encode(fact), project_id, customer_id
            )


def fold_facts(
    work: ArchiveWork, task: str, facts: Iterable[FactRow], folder: str | None = None
) -> FoldResult:
    """Fold facts that come stream by stream, each in canonical order, and store the result.

    `task` is a name that no other attempt at any task of this work has, so that an attempt whose
    result is not used leaves a file that is not used either. Temporary files are in a folder, by
    default the system's.
    """
    shadows = shadows_of(work.projections)
    streams = _Streams(facts)
    name, sha256 = work.prefix + task, None
    with TemporaryDirectory(prefix="projector-fold-", dir=folder) as temporary:
        path = Path(temporary) / "rows"
        sink = staging.file_for(shadows, path, is_sqlite=work.is_sqlite)
        folded = write_parts(sink, shadows, fold_parts(shadows, iter(streams)))
        if streams.facts:
            sha256 = results.put(_shelf(work.archive_url), name, path, folded)
    return FoldResult(
        name=name if streams.facts else None,
        sha256=sha256,
        facts=streams.facts,
        tally=streams.tally,
        cost=_take_cost(),
    )


class _Streams:
    """The streams of sorted rows, iterated once; counts the facts, and adds up the tallies."""

    def __init__(self, rows: Iterable[FactRow]) -> None:
        self._rows = rows
        self.facts = 0
        self.tally = NO_TALLY

    def __iter__(self) -> Iterator[StreamFacts]:
        for stream, facts in groupby(self._rows, key=attrgetter("stream")):
            if stream == TALLY:
                for row in facts:
                    self.tally += msgspec.msgpack.decode(row.fact, type=Tally)
            elif stream < 0:
                yield StreamFacts(None, None, self._decode(facts))
            else:
                first = next(facts)
                assert first.customer_id is not None, "a stream has a customer"  # noqa: S101
                customer = CustomerKey(first.project_id, first.customer_id)
                whole = chain([first], facts)  # noqa: B031 - iterated once
                yield StreamFacts(customer, stream, self._decode(whole))

    def _decode(self, rows: Iterable[FactRow]) -> Iterator[KeyedFact]:
        for _, at, event_id, position, type_, fact, _, _ in rows:
            self.facts += 1
            key = CanonicalKey(_EPOCH + timedelta(microseconds=at), event_id)
            yield key, decode_encoded(type_, fact), position


def shadows_of(names: Iterable[str]) -> tuple[Projection, ...]:
    """Return the shadows of live projections; raises ProjectionUnknown."""
    return tuple(rebuilding(live).shadow for live in named(list(names)))


def identity(projections: Iterable[str]) -> dict[str, str]:
    """Return what this process folds with, by the name of each thing; to be compared."""
    found = {name: version(name) for name in ("customer-state-projector", "msgspec")}
    found["Python"] = ".".join(map(str, sys.version_info[:2]))
    found["event types"] = ", ".join(sorted(registry.facts()))
    for each in shadows_of(projections):
        found[f"projection {each.name}"] = f"version {each.version}, {fingerprint(each)}"
    return found


def require_identity(wanted: Mapping[str, str], found: Mapping[str, str], *, host: str) -> None:
    """Raise WorkerUnfit if what a process on a machine folds with is not what the driver has."""
    for name, value in wanted.items():
        if found.get(name) != value:
            reason = f"{name} is {found.get(name)!r} on {host}, not {value!r}"
            raise WorkerUnfit(reason=reason)


def _take_cost() -> Cost:
    """Return the cost of this process since the last call: of what it has read and folded."""
    global _cpu_seconds_taken
    before, _cpu_seconds_taken = _cpu_seconds_taken, time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Cost(cpu_seconds=_cpu_seconds_taken - before, memory_bytes_max=memory)


@cache
def _shelf(url: str) -> Shelf:
    """Return the open archive of a process: connections are made once."""
    return shelf.opened(url)
