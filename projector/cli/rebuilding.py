"""How the command line rebuilds: which engine, on how many processes, behind which bar."""

from __future__ import annotations

import os
from collections.abc import Sequence

import replay
from projector.app import Projector
from projector.cli import progress
from projector.errors import EngineUnknown
from projector.projections.projection import Projection
from projector.queries.status import Status
from replay.engines import ENGINES

#: From how many events on worker processes are worth their start.
PARALLEL_EVENTS_MIN = 50_000


def rebuild(
    projector: Projector,
    projections: Sequence[Projection],
    *,
    engine: str | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    change_percent_max: float | None = None,
) -> replay.RebuildReport:
    """Rebuild behind a progress bar; raises EngineUnknown and what a rebuild raises."""
    if engine is None:
        engine = _best(projector, workers)
    if engine not in ENGINES:
        raise EngineUnknown(name=engine, known=", ".join(ENGINES))
    with progress.phases_bar("rebuilding") as advance:
        return replay.rebuild(
            projector.database,
            projections,
            ENGINES[engine],
            workers=workers or _cores(),
            dry_run=dry_run,
            change_percent_max=change_percent_max,
            on_progress=advance,
        )


def is_backlog(found: Status) -> bool:
    """Whether so much lies before empty tables that a rebuild fills them sooner."""
    are_empty = all(each.position == 0 for each in found.projections)
    return are_empty and found.head >= PARALLEL_EVENTS_MIN


def _best(projector: Projector, workers: int | None) -> str:
    if workers is None and projector.status().head < PARALLEL_EVENTS_MIN:
        return "in-process"
    return "parallel"


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
