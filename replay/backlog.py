"""Catches up with the log: by a rebuild if tables are empty and the backlog is large."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from projector.errors import (
    ProjectionFailed,
    ProjectorError,
    RebuildRunning,
    RightsMissing,
    SpillUnwritable,
    WorkerDied,
)
from projector.projections.projection import Projection
from projector.runner import runner
from projector.store import checkpoints, log
from projector.store.database import Database
from replay import engines
from replay.engines.engine import OnProgress
from replay.rebuild import rebuild

_logger = logging.getLogger(__name__)


def catch_up(
    database: Database,
    projections: Sequence[Projection],
    *,
    on_batch: Callable[[int], None] = lambda _position: None,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> list[ProjectorError]:
    """Catch up: fold the events between the checkpoints and the head of the log.

    If no projection has folded an event yet and the log has at least `engines.PARALLEL_EVENTS_MIN`
    of them, a rebuild does most of it, because it is faster. `on_batch` gets the position reached
    by each batch; `on_progress` gets the progress of the rebuild. Returns and raises as
    `runner.catch_up` does.
    """
    if _is_backlog(database, projections):
        try:
            rebuild(database, projections, on_progress=on_progress)
        except (
            ProjectionFailed,
            RebuildRunning,
            RightsMissing,
            SpillUnwritable,
            WorkerDied,
        ) as error:
            # Another rebuild may be doing the same work; folding in batches needs neither the
            # rights, nor the disk space, nor the worker processes that were missing, and sets
            # aside a projection that fails.
            _logger.info("No rebuild of the backlog, which is folded in batches: %s", error)
    return runner.catch_up(database, projections, on_batch=on_batch)


def _is_backlog(database: Database, projections: Sequence[Projection]) -> bool:
    with database.reading() as connection:
        current = checkpoints.read(connection, projections).values()
        head = log.head(connection)
    return head >= engines.PARALLEL_EVENTS_MIN and not any(each.position for each in current)
