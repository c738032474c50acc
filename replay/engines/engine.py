"""Defines the interface of rebuild engines: from a Job to EnginePieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path

from attrs import define, field, frozen

from projector.projections.projection import Projection
from projector.projections.snapshots import TakenSnapshot
from projector.runner.batch import fold_stream_facts
from projector.runner.projection_fold import ProjectionChange
from projector.runner.stream_facts import StreamFacts
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.store.group_sizes import Sizes
from projector.store.rebuild import staging
from projector.store.rebuild.staging import Sink
from projector.store.table_rows import Rows
from replay.plan import RebuildPlan

#: A progress callback: (phase, done, total); the units depend on the phase.
OnProgress = Callable[[str, int, int], None]

#: The number of streams in a part, which is folded and written in one go. Facts, states and rows
#: of one part fit into the processor's cache.
PART_STREAMS = 100

_numbers = count()


@frozen(kw_only=True)
class Job:
    """The input of an engine."""

    database: Database
    plan: RebuildPlan
    #: The workspace for the engine's files; the rebuild removes it.
    folder: Path
    workers: int
    #: Gets the phase, and the number of events done and in total.
    on_progress: OnProgress


@frozen(kw_only=True)
class ShadowResult:
    """The contribution of a piece to one shadow."""

    rows: int
    #: The amount by which these rows change the digest.
    digest: int
    #: Those by which they change the sizes of groups.
    sizes: Sizes
    dead_letters: list[DeadLetter]
    snapshots: list[TakenSnapshot]


@frozen(kw_only=True)
class Cost:
    """The cost of tasks in processes of another program, such as Spark's."""

    #: The processor time of Python processes.
    cpu_seconds: float = 0.0
    #: The greatest resident memory of one of them.
    memory_bytes_max: int = 0

    def __add__(self, other: Cost) -> Cost:
        """Return the cost of both parts."""
        return Cost(
            cpu_seconds=self.cpu_seconds + other.cpu_seconds,
            memory_bytes_max=max(self.memory_bytes_max, other.memory_bytes_max),
        )


NO_COST = Cost()


@frozen(kw_only=True)
class EnginePiece:
    """Some customers, folded; their rows are in a staging file, or in the shadows already."""

    #: One for each shadow, in the order of the plan.
    folded: list[ShadowResult]
    #: The staging file of the rows; None if they are in the shadows.
    path: Path | None
    #: What it took in processes of another program.
    cost: Cost = NO_COST


def _up_to_the_plan(job: Job) -> int:
    return job.plan.until


def _clear_nothing(_job: Job) -> bool:
    return False


@frozen(kw_only=True)
class Engine:
    """A way to fold the log."""

    name: str
    #: Folds the customers of the log, each in exactly one piece. Where it can, it orders the
    #: pieces, so that indexes grow at their ends: the customers of one come before those of the
    #: next one.
    run: Callable[[Job], Iterator[EnginePiece]]
    #: Returns the last position that it can fold, at most the plan's: the runner folds the rest.
    reach: Callable[[Job], int] = _up_to_the_plan
    #: Removes what a killed rebuild of this database left outside of it and of the job's folder;
    #: returns whether there was anything.
    clear: Callable[[Job], bool] = _clear_nothing


@define
class _Found:
    """The dead letters and snapshots of parts for one shadow."""

    dead_letters: list[DeadLetter] = field(factory=list)
    snapshots: list[TakenSnapshot] = field(factory=list)


def stage(job: Job, parts: Iterable[Sequence[ProjectionChange]]) -> EnginePiece:
    """Write the rows of some customers: to a staging file (SQLite) or the shadows (Postgres).

    A part has the changes of each shadow; the customers of one come before those of the next one.
    """
    path = job.folder / f"rows-{os.getpid()}-{next(_numbers)}"
    shadows = job.plan.shadows
    results = write_parts(staging.sink_for(job.database, shadows, path), shadows, parts)
    return EnginePiece(folded=results, path=path if job.database.is_sqlite else None)


def write_parts(
    sink: Sink, shadows: Sequence[Projection], parts: Iterable[Sequence[ProjectionChange]]
) -> list[ShadowResult]:
    """Write the rows of parts to a sink; return what they contribute to each shadow."""
    found = [_Found() for _ in shadows]

    def rows() -> Iterator[list[Rows]]:
        for changes in parts:
            for some, change in zip(found, changes, strict=True):
                some.dead_letters.extend(change.dead_letters)
                some.snapshots.extend(change.snapshots)
            yield [change.new for change in changes]

    return [
        ShadowResult(
            rows=each.rows,
            digest=each.digest,
            sizes=each.sizes,
            dead_letters=some.dead_letters,
            snapshots=some.snapshots,
        )
        for each, some in zip(staging.write(sink, shadows, rows()), found, strict=True)
    ]


def fold_parts(
    shadows: Sequence[Projection], streams: Iterator[StreamFacts]
) -> Iterator[list[ProjectionChange]]:
    """Fold streams part by part."""
    for first in streams:
        part = chain([first], islice(streams, PART_STREAMS - 1))
        yield fold_stream_facts(shadows, part, takes_snapshots=True)
