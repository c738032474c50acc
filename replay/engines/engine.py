"""What every engine takes and gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from attrs import frozen

from projector.runner.batch import ProjectionChange
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.store.rebuild import staging
from replay.plan import RebuildPlan

#: Gets a phase, and how much of how much is done in it.
OnProgress = Callable[[str, int, int], None]

_numbers = count()


@frozen(kw_only=True)
class Job:
    """What is to be done, and where."""

    database: Database
    plan: RebuildPlan
    #: For the engine's files; what is left in it is removed when all is done.
    folder: Path
    workers: int
    #: Gets what is going on, and how many events of how many are through with it.
    on_progress: OnProgress


@frozen(kw_only=True)
class ShadowResult:
    """What a piece adds to one shadow."""

    rows: int
    #: What the rows add to the digest.
    digest: int
    dead_letters: list[DeadLetter]


@frozen(kw_only=True)
class EnginePiece:
    """Some customers, folded; their rows are put down."""

    #: For each shadow.
    folded: list[ShadowResult]
    #: Where SQLite's rows wait to be poured.
    path: Path


#: From a job to the pieces into which all customers of the log fall. The customers of each piece
#: come before those of the next one, by project and id.
Engine = Callable[[Job], Iterator[EnginePiece]]


def stage(job: Job, changes: Sequence[ProjectionChange]) -> EnginePiece:
    """Put the rows of some customers where they belong, or wait."""
    path = job.folder / f"rows-{os.getpid()}-{next(_numbers)}"
    filled = staging.write(job.database, job.plan.shadows, [each.new for each in changes], path)
    return EnginePiece(
        folded=[
            ShadowResult(rows=each.rows, digest=each.digest, dead_letters=change.dead_letters)
            for each, change in zip(filled, changes, strict=True)
        ],
        path=path,
    )
