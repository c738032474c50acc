"""Catches up with the log; a large backlog before empty tables takes the path of a rebuild."""

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
    """Fold all that is in the log and not yet in the tables; `on_batch` gets the position reached.

    Empty tables before a backlog of many events are rebuilt, which is faster; `on_progress` then
    gets what a rebuild reports. Returns and raises as `runner.catch_up` does.
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
            # Another rebuild does the same; folding in batches may not need what is missing, and
            # sets aside a projection that fails.
            _logger.info("The backlog is folded in batches: %s", error)
    return runner.catch_up(database, projections, on_batch=on_batch)


def _is_backlog(database: Database, projections: Sequence[Projection]) -> bool:
    with database.reading() as connection:
        before = checkpoints.read(connection, projections).values()
        head = log.head(connection)
    return head >= engines.PARALLEL_EVENTS_MIN and not any(each.position for each in before)
