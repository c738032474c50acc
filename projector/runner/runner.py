"""The projector: from the log to the tables, batch by batch.

A batch is read and folded without any lock, from one snapshot; its rows and the checkpoints are
then written in one transaction, which fails if another projector was faster (compare-and-set).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import CheckpointMoved, ProjectionFailed, ProjectorError
from projector.projections import is_own
from projector.projections.projection import Projection
from projector.runner import isolation
from projector.runner.batch import ProjectionChange, fold_batch
from projector.store import checkpoints, dead_letters, digest, log, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database

_logger = logging.getLogger(__name__)

#: How many events are folded in one transaction: many, for a customer's rows are loaded and
#: written once in it, however many of its events are there.
BATCH_EVENTS_MAX = 100_000


def catch_up(
    database: Database,
    projections: Sequence[Projection],
    *,
    until: int | None = None,
    batch_events_max: int = BATCH_EVENTS_MAX,
    on_batch: Callable[[int], None] = lambda _position: None,
) -> list[ProjectorError]:
    """Fold all that is in the log and not yet in the tables, or no more than up to `until`.

    `on_batch` gets the position reached. Several processes may do so at once: of two that fold the
    same batch one writes it, and the other goes on from there. Returns the problems of projections
    of other packages, which cannot run; once all others are there, raises ProjectionFailed or
    ProjectionOutdated for one of this package.
    """
    while True:
        try:
            position = project_batch(
                database, projections, until=until, batch_events_max=batch_events_max
            )
        except CheckpointMoved:
            continue
        if position is None:
            break
        on_batch(position)
    problems = isolation.read_problems(database, projections)
    for problem in problems:
        if is_own(str(problem.details["projection"])):
            raise problem
    return problems


def project_batch(
    database: Database,
    projections: Sequence[Projection],
    *,
    until: int | None = None,
    batch_events_max: int,
) -> int | None:
    """Fold one batch for the projections that are furthest behind; None when all are there.

    Returns the position that they reached. A projection that fails is set aside; one that is set
    aside or outdated is left out. Raises CheckpointMoved, with nothing written, when another
    projector wrote in the meantime.
    """
    while True:
        try:
            return _project_batch(database, projections, until, batch_events_max)
        except ProjectionFailed as failed:
            _logger.error("%s %s", failed, failed.hint, exc_info=failed.__cause__)
            isolation.set_aside(database, projections, failed)


def _project_batch(
    database: Database,
    projections: Sequence[Projection],
    until: int | None,
    batch_events_max: int,
) -> int | None:
    with database.reading() as connection:
        batch = _fold_next(connection, projections, until, batch_events_max)
    if batch is None:
        return None
    # No fsync: a power cut loses rows and checkpoint together, and both are refolded from the log.
    with database.writing(durable=False) as connection:
        _write(connection, batch)
    return batch.last


def project_within(
    connection: Connection, projections: Sequence[Projection], *, until: int
) -> None:
    """Fold all up to a position in a transaction of the caller's, who keeps others out."""
    while batch := _fold_next(connection, projections, until, BATCH_EVENTS_MAX):
        _write(connection, batch)


def check_runnable(projections: Sequence[Projection], found: Mapping[str, Checkpoint]) -> None:
    """Raise ProjectionFailed or ProjectionOutdated for the first projection that cannot run."""
    for problem in isolation.problems(projections, found):
        raise problem


@frozen
class _Batch:
    """A batch that is folded and not yet written."""

    last: int
    #: Of each projection: where it stood, and what changes.
    changes: list[tuple[Projection, Checkpoint, ProjectionChange]]


def _fold_next(
    connection: Connection,
    projections: Sequence[Projection],
    until: int | None,
    batch_events_max: int,
) -> _Batch | None:
    """Fold the next batch of the projections that are furthest behind."""
    found = checkpoints.read(connection, projections)
    head = log.head(connection)
    goal = head if until is None else min(until, head)
    running = isolation.runnable(projections, found)
    after = min((found[each.name].position for each in running), default=goal)
    if after >= goal:
        return None
    # In the order in which checkpoints are locked, or two writers could wait for each other.
    behind = sorted(
        (each for each in running if found[each.name].position == after),
        key=lambda each: each.name,
    )
    last, changes = fold_batch(
        connection,
        behind,
        after=after,
        until=_until([found[each.name] for each in running], after, goal),
        events_max=batch_events_max,
    )
    return _Batch(
        last,
        [(each, found[each.name], change) for each, change in zip(behind, changes, strict=True)],
    )


def _write(connection: Connection, batch: _Batch) -> None:
    # One after the other: what all of them write would take as much memory as their states.
    for projection, checkpoint, change in batch.changes:
        with isolation.blaming(projection):
            rows = table_rows.difference(projection, old=change.old, new=change.new)
        checkpoints.advance(
            connection,
            checkpoint,
            projection,
            position=batch.last,
            digest=digest.apply(checkpoint.digest, rows.digest),
        )
        with isolation.blaming(projection):
            table_rows.write(connection, projection, rows)
        dead_letters.replace(
            connection, projection.name, change.dead_letters, refolded=change.refolded
        )


def _until(running: Sequence[Checkpoint], after: int, goal: int) -> int:
    """Up to the next projection's checkpoint, where the two go on together, or to the goal."""
    return min((each.position for each in running if after < each.position < goal), default=goal)
