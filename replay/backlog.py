"""Catches up with the log: by a rebuild of those projections that are very far behind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from projector.errors import CheckpointMoved, ProjectorError
from projector.projections.projection import Projection
from projector.runner import direct, isolation, runner
from projector.store import checkpoints, log
from projector.store.database import Database
from replay import engines
from replay.engines.engine import OnProgress
from replay.rebuild import rebuild

_logger = logging.getLogger(__name__)

#: The share of the log that a projection must have before it, to be rebuilt. A rebuild folds all
#: events again, but takes little more than half the time for each on two cores.
SHARE_MIN = 2 / 3


def catch_up(
    database: Database,
    projections: Sequence[Projection],
    *,
    on_batch: Callable[[int], None] = lambda _position: None,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> list[ProjectorError]:
    """Catch up: fold the events between the checkpoints and the head of the log.

    Projections that are very far behind are rebuilt first, because it is faster. `on_batch` gets
    the position reached by each batch; `on_progress` gets the progress of the rebuild. Returns and
    raises as `runner.catch_up` does.
    """
    try:
        reached = direct.project(database, projections)
    except CheckpointMoved:
        reached = None
    if reached is not None:
        if reached.has_advanced:
            on_batch(reached.position)
        return []
    try:
        rebuild_backlog(database, projections, on_progress=on_progress)
    except ProjectorError as error:
        _logger.info("No rebuild of the backlog, which is folded in batches: %s", error)
    return runner.catch_up(database, projections, on_batch=on_batch)


def rebuild_backlog(
    database: Database,
    projections: Sequence[Projection],
    *,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> int | None:
    """Rebuild the projections that are very far behind; return the position reached, if any is.

    Very far: by at least `engines.PARALLEL_EVENTS_MIN` events, and by SHARE_MIN of the log. Raises
    the errors of `rebuild`, after which batches can go on: they need neither the rights, nor the
    disk space, nor the worker processes that it lacks; another process may be doing the same
    rebuild; and batches set aside a projection that fails.
    """
    behind = _find_behind(database, projections)
    if not behind:
        return None
    names = ", ".join(each.name for each in behind)
    _logger.info("Very far behind the log: a rebuild of %s is faster than batches.", names)
    report = rebuild(database, behind, on_progress=on_progress)
    _logger.info("Rebuilt %s from %d events in %s s.", names, report.events, report.seconds)
    return min(each.position for each in report.rebuilt)


def _find_behind(database: Database, projections: Sequence[Projection]) -> list[Projection]:
    """Return the projections that are very far behind, without those that cannot run."""
    with database.reading() as connection:
        current = checkpoints.read(connection, projections)
        head = log.head(connection)
    lag_min = max(engines.PARALLEL_EVENTS_MIN, SHARE_MIN * head)
    running = isolation.runnable(projections, current, head)
    return [each for each in running if head - current[each.name].position >= lag_min]
