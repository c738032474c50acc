"""Projects the log into the tables, batch by batch.

A batch is read and folded from one snapshot, without locks (optimistic concurrency control). Its
rows and the checkpoints are then written in one transaction, which fails if another projector has
advanced a checkpoint in the meantime (compare-and-set).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import CheckpointMoved, ProjectionFailed, ProjectorError
from projector.projections import is_own
from projector.projections.projection import Projection
from projector.projections.rebuilding import SHADOW
from projector.runner import direct, isolation
from projector.runner.batch import fold_batch
from projector.runner.projection_fold import ProjectionChange
from projector.store import checkpoints, dead_letters, digest, log, snapshots, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database

_logger = logging.getLogger(__name__)

#: The maximum number of events in a batch, which is one transaction: large, because a batch loads
#: and writes a customer's rows once, however many events of the customer it has.
BATCH_EVENTS_MAX = 100_000


def catch_up(
    database: Database,
    projections: Sequence[Projection],
    *,
    until: int | None = None,
    batch_events_max: int = BATCH_EVENTS_MAX,
    on_batch: Callable[[int], None] = lambda _position: None,
) -> list[ProjectorError]:
    """Catch up: project every event after the checkpoints, up to `until` or the head of the log.

    `on_batch` is called after each batch with the position that it reached. Several processes may
    catch up concurrently: of two that fold the same batch, one writes it, and the other continues
    from the new checkpoint. Returns the problems of the projections of other packages that cannot
    run. Raises ProjectionFailed or ProjectionOutdated for a projection of this package, after all
    runnable projections have caught up.
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
    """Project one batch with the projections that are furthest behind.

    Returns the position that they reached, or None if all have caught up. A projection that fails
    is set aside; one that is set aside or outdated is skipped. Raises CheckpointMoved, with nothing
    written, if another projector advanced a checkpoint in the meantime.
    """
    if until is None:
        reached = direct.project(database, projections, events_max=batch_events_max)
        if reached is not None:
            return reached.position if reached.has_advanced else None
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
    # No fsync: a power cut may lose rows and checkpoint, but only together; then the batch is
    # projected again.
    with database.writing(durable=False) as connection:
        _write(connection, batch)
    return batch.last


def project_within(
    connection: Connection, projections: Sequence[Projection], *, until: int
) -> None:
    """Project up to position `until` in the caller's transaction.

    The caller holds a lock that keeps other projectors out.
    """
    while batch := _fold_next(connection, projections, until, BATCH_EVENTS_MAX):
        _write(connection, batch)


def check_runnable(
    connection: Connection, projections: Sequence[Projection], by_name: Mapping[str, Checkpoint]
) -> None:
    """Raise ProjectionFailed or ProjectionOutdated for the first projection that cannot run."""
    for problem in isolation.problems(projections, by_name, log.head(connection)):
        raise problem


@frozen
class _Batch:
    """A batch that is folded, but not yet written."""

    #: The position of its last event.
    last: int
    #: The projections, each with its checkpoint before the batch and its change.
    changes: list[tuple[Projection, Checkpoint, ProjectionChange]]


def _fold_next(
    connection: Connection,
    projections: Sequence[Projection],
    until: int | None,
    batch_events_max: int,
) -> _Batch | None:
    """Fold the next batch of the projections that are furthest behind; None if there is none."""
    by_name = checkpoints.read(connection, projections)
    head = log.head(connection)
    goal = head if until is None else min(until, head)
    running = isolation.runnable(projections, by_name, head)
    after = min((by_name[each.name].position for each in running), default=goal)
    if after >= goal:
        return None
    # One lock order for all writers: otherwise two of them could deadlock on the checkpoints.
    behind = sorted(
        (each for each in running if by_name[each.name].position == after),
        key=lambda each: each.name,
    )
    if not after:
        _check_empty(connection, behind)
    last, changes = fold_batch(
        connection,
        behind,
        after=after,
        until=_until([by_name[each.name] for each in running], after, goal),
        events_max=batch_events_max,
    )
    return _Batch(
        last,
        [(each, by_name[each.name], change) for each, change in zip(behind, changes, strict=True)],
    )


def _check_empty(connection: Connection, projections: Sequence[Projection]) -> None:
    """Raise ProjectionFailed if a table has rows, which the first batch would fold once more.

    They were restored without their checkpoint. A shadow is empty, because a rebuild created it.
    """
    for each in projections:
        if not each.name.endswith(SHADOW) and table_rows.has_rows(connection, each):
            reason = "Its table has rows, but no checkpoint that says up to which event."
            raise ProjectionFailed(projection=each.name, reason=reason)


def _write(connection: Connection, batch: _Batch) -> None:
    # One projection at a time: the changed rows of all would take as much memory as their states.
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
            connection,
            projection.name,
            change.dead_letters,
            refolded=change.refolded,
            refolded_after=change.refolded_after,
        )
        if not checkpoint.position:
            # Those of rows that are gone, because they were deleted by hand.
            snapshots.forget(connection, projection.name)
        snapshots.replace(
            connection,
            projection,
            change.snapshots,
            refolded=change.refolded,
            refolded_after=change.refolded_after,
        )


def _until(running: Sequence[Checkpoint], after: int, goal: int) -> int:
    """Return the end of a batch: the next checkpoint, or the goal.

    From the next checkpoint on, its projection joins, and one pass over the log serves both.
    """
    return min((each.position for each in running if after < each.position < goal), default=goal)
