"""Defines the interface of rebuild engines: from a Job to EnginePieces."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from attrs import frozen

from projector.projections.snapshots import TakenSnapshot
from projector.runner.batch import ProjectionChange
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.store.group_sizes import Sizes
from projector.store.rebuild import staging
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


def stage(job: Job, changes: Sequence[ProjectionChange]) -> EnginePiece:
    """Write the rows of some customers: to a staging file (SQLite) or the shadows (Postgres)."""
    path = job.folder / f"rows-{os.getpid()}-{next(_numbers)}"
    results = staging.write(job.database, job.plan.shadows, [each.new for each in changes], path)
    return EnginePiece(
        folded=[
            ShadowResult(
                rows=each.rows,
                digest=each.digest,
                sizes=each.sizes,
                dead_letters=change.dead_letters,
                snapshots=change.snapshots,
            )
            for each, change in zip(results, changes, strict=True)
        ],
        path=path,
    )
