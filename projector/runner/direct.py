"""Projects a few new events in few statements: the direct path.

`runner.project_batch` tries it first. It returns None for everything else, with nothing written:
many events, a late one, one that becomes a dead letter, a snapshot that is due, rows that go, a
projection that cannot run or that fails, projections at different positions, a connection through a
pooler of transactions. Then the ordinary path is taken, which writes the same rows wherever both
can.

Why it is right:

- The fold is that of the ordinary path, onto rows that are loaded for it.
- Checkpoints, events and rows are read one after the other, in no common snapshot. The rows are
  those of the checkpoints nevertheless, if these are still the same when the batch is written
  (compare-and-set, which locks them to the commit): every change of rows moves a checkpoint, or
  raises its generation, in the same transaction.
- Checkpoints are advanced in the order of their names, as everywhere, so that two projectors never
  wait for each other in a circle; and in one transaction with the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from projector.envelope import CustomerKey, RecordedEvent
from projector.errors import DatabaseUnreachable, ProjectionFailed
from projector.projections.projection import Projection, Row
from projector.projections.snapshots import is_due
from projector.runner import isolation
from projector.runner.batch import fold_loaded
from projector.runner.projection_fold import ProjectionChange
from projector.store import customer_rows, digest, direct_project, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.customer_rows import By
from projector.store.database import Database
from projector.store.direct_project import Advance
from projector.store.read_errors import is_caused_by_values

#: The most events of a batch: with more of them, the ordinary path takes hardly longer.
EVENTS_MAX = 50


class Reached(NamedTuple):
    """The head of the log, which all projections have reached."""

    position: int
    #: Whether they were behind it before.
    has_advanced: bool


def project(
    database: Database, projections: Sequence[Projection], *, events_max: int = EVENTS_MAX
) -> Reached | None:
    """Project all new events, if they are few and simple; return None if they are not.

    Raises CheckpointMoved, with nothing written, if another projector was faster.
    """
    in_order = sorted(projections, key=lambda each: each.name)
    found = direct_project.read_checkpoints(database, in_order)
    if found is None:
        return None
    by_name, head = found
    positions = {each.position for each in by_name.values()}
    if len(positions) != 1 or isolation.problems(in_order, by_name, head):
        return None
    [after] = positions
    if after == head:
        return Reached(head, has_advanced=False)
    if not after or head - after > min(events_max, EVENTS_MAX):
        return None
    events = direct_project.read_events(database, after=after, until=head)
    if events is None or any(each.late or is_due(each.position) for each in events):
        return None
    driver_error: type[Exception] = database.engine.dialect.loaded_dbapi.Error
    try:
        advances = _fold(database, in_order, by_name, events)
        is_written = advances is not None and direct_project.write(database, advances)
    except ProjectionFailed:
        return None
    except (DatabaseUnreachable, driver_error) as error:
        cause = error if isinstance(error, driver_error) else error.__cause__
        # The ordinary path finds out whose table it is that is missing or refuses a row.
        if not isinstance(cause, driver_error) or not is_caused_by_values(cause):
            raise
        return None
    return Reached(head, has_advanced=True) if is_written else None


def _fold(
    database: Database,
    projections: Sequence[Projection],
    by_name: dict[str, Checkpoint],
    events: Sequence[RecordedEvent],
) -> list[Advance] | None:
    rows = _load(database, tuple(projections), events)
    if rows is None:
        return None
    changes = fold_loaded(projections, rows, events)
    if any(each.dead_letters for each in changes):
        return None
    advances = [
        _advance(projection, by_name[projection.name], change, events[-1].position)
        for projection, change in zip(projections, changes, strict=True)
    ]
    return None if any(each.rows.gone for each in advances) else advances


def _load(
    database: Database, projections: tuple[Projection, ...], events: Sequence[RecordedEvent]
) -> list[dict[CustomerKey, list[Row]]] | None:
    """Load the rows of the events' customers; by projection. None if that is not possible."""
    customer_ids = {each.customer_id for each in events if each.customer_id is not None}
    found = customer_rows.read(database, projections, By.IDS, sorted(customer_ids), last=True)
    if found is None:
        return None
    return [
        {customer: known.rows[each.name] for customer, known in found.customers.items()}
        for each in projections
    ]


def _advance(
    projection: Projection, before: Checkpoint, change: ProjectionChange, position: int
) -> Advance:
    with isolation.blaming(projection):
        rows = table_rows.difference(projection, old=change.old, new=change.new)
    after = before.advanced(
        projection, position=position, digest=digest.apply(before.digest, rows.digest)
    )
    return Advance(projection, before, after, rows)
