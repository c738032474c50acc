"""Defines the interface of rebuild engines: from a Job to EnginePieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path

from attrs import define, field, frozen

from projector.projections.snapshots import TakenSnapshot
from projector.runner.projection_fold import ProjectionChange
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.store.group_sizes import Sizes
from projector.store.rebuild import staging
from projector.store.table_rows import Rows
from replay.plan import RebuildPlan

#: A progress callback: (phase, done, total); the units depend on the phase.
OnProgress = Callable[[str, int, int], None]

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
class EnginePiece:
    """Some customers, folded; their rows are staged (SQLite) or in the shadows (Postgres)."""

    #: One for each shadow, in the order of the plan.
    folded: list[ShadowResult]
    #: The staging file of the rows; SQLite only.
    path: Path


#: An engine folds the customers of the log, each in exactly one piece. Pieces are ordered: the
#: customers of one come before those of the next one, by project and id.
Engine = Callable[[Job], Iterator[EnginePiece]]


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
    found = [_Found() for _ in job.plan.shadows]

    def rows() -> Iterator[list[Rows]]:
        for changes in parts:
            for some, change in zip(found, changes, strict=True):
                some.dead_letters.extend(change.dead_letters)
                some.snapshots.extend(change.snapshots)
            yield [change.new for change in changes]

    results = staging.write(job.database, job.plan.shadows, rows(), path)
    return EnginePiece(
        folded=[
            ShadowResult(
                rows=each.rows,
                digest=each.digest,
                sizes=each.sizes,
                dead_letters=some.dead_letters,
                snapshots=some.snapshots,
            )
            for each, some in zip(results, found, strict=True)
        ],
        path=path,
    )
