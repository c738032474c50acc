"""Refolds whole streams outside of a batch: for a dead-letter retry, or for one customer.

A late event is refolded within its batch: see `batch`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from projector.projections.projection import Projection
from projector.runner.batch import fold_streams
from projector.runner.projection_fold import ProjectionChange
from projector.runner.runner import check_runnable
from projector.store import checkpoints, dead_letters, digest, log, snapshots, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database


def refold(
    database: Database, projections: Sequence[Projection], stream_ids: Sequence[int]
) -> None:
    """Refold streams and write the changed rows, in one transaction with locked checkpoints.

    A projector that has folded onto the old rows at the same time loses its compare-and-set, and
    starts again. Raises ProjectionFailed or ProjectionOutdated.
    """
    with database.writing() as connection:
        before = checkpoints.read(connection, projections, lock=True)
        check_runnable(connection, projections, before)
        for projection in projections:
            checkpoint = before[projection.name]
            change = fold_to_checkpoint(connection, projection, checkpoint, stream_ids)
            old = table_rows.load(connection, projection, change.new)
            rows = table_rows.difference(projection, old=old, new=change.new)
            table_rows.write(connection, projection, rows)
            new_digest = digest.apply(checkpoint.digest, rows.digest)
            record(connection, projection, checkpoint, change, stream_ids, digest=new_digest)


def fold_to_checkpoint(
    connection: Connection,
    projection: Projection,
    checkpoint: Checkpoint,
    stream_ids: Sequence[int],
) -> ProjectionChange:
    """Fold streams from their first event up to a projection's checkpoint, and no further."""
    events = log.read_streams(connection, stream_ids, until=checkpoint.position)
    [change] = fold_streams([projection], events, takes_snapshots=True)
    return change


def record(
    connection: Connection,
    projection: Projection,
    checkpoint: Checkpoint,
    change: ProjectionChange,
    stream_ids: Sequence[int],
    *,
    digest: str,
) -> None:
    """Replace the streams' dead letters and snapshots, and store the digest.

    The checkpoint keeps its position. Its new generation makes the compare-and-set of concurrent
    projectors fail.
    """
    dead_letters.replace(connection, projection.name, change.dead_letters, refolded=stream_ids)
    snapshots.replace(connection, projection, change.snapshots, refolded=stream_ids)
    checkpoints.advance(
        connection,
        checkpoint,
        projection,
        position=checkpoint.position,
        digest=digest,
        rewritten=True,
    )
