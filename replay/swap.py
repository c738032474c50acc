"""The second half of a rebuild: shadows are caught up and take the place of the live tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import DatabaseBusy
from projector.projections.projection import Projection
from projector.runner import runner
from projector.store import checkpoints, log
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.rebuild import shadow, swap
from replay.engines.engine import OnProgress

#: How many events are left for the moment when writers wait.
TAIL_EVENTS_MAX = 1_000

#: How often the tail is made shorter than that, where writers are as fast as this is.
ROUNDS_MAX = 10

#: How long readers are waited for, and others behind them, the first time and at the most.
HOLD_MS = 50
HOLD_MS_MAX = 1_000

#: How long to go on trying where somebody always reads, in seconds.
PATIENCE_SECONDS_MAX = 600.0


@frozen(kw_only=True)
class SwapReport:
    """How the shadows took the place of the live tables."""

    position: int
    #: For each projection: whether the live rows had the same digest at the same position; None
    #: where that could not be compared.
    matched: list[bool | None]
    #: What users had hung on live tables, so that rows were moved and not tables.
    dependents: list[str]
    #: How long nobody could write.
    pause_seconds: float


def catch_up(database: Database, shadows: Sequence[Projection], on_progress: OnProgress) -> None:
    """Bring shadows near the head."""
    for _ in range(ROUNDS_MAX):
        with database.reading() as connection:
            head = log.head(connection)
            by_projection = checkpoints.read(connection, shadows)
        behind = head - min(
            (checkpoint.position for checkpoint in by_projection.values()), default=head
        )
        if behind <= TAIL_EVENTS_MAX:
            return
        runner.catch_up(
            database,
            shadows,
            until=head,
            on_batch=partial(_report, on_progress, head),
        )


def _report(on_progress: OnProgress, head: int, position: int) -> None:
    on_progress("catching up", position, head)


def swap_in(
    database: Database,
    projections: Sequence[Projection],
    check_alone: Callable[[], None],
    on_progress: OnProgress,
) -> SwapReport:
    """Put the shadows of projections in the place of the live tables, at the head of the log.

    `check_alone` raises where another rebuild may have been let in, to whom the shadows belong.
    """
    shadows = [shadow.of(each) for each in projections]
    deadline = time.monotonic() + PATIENCE_SECONDS_MAX
    hold_ms = HOLD_MS
    while True:
        catch_up(database, shadows, on_progress)
        try:
            done = _try_swap(database, projections, check_alone, hold_ms)
        except DatabaseBusy:
            if time.monotonic() > deadline:
                raise
            on_progress("waiting for readers", 0, 0)
            # Those who had to wait behind this are let through first.
            time.sleep(2 * hold_ms / 1000)
            hold_ms = min(2 * hold_ms, HOLD_MS_MAX)
        else:
            _remove_replaced(database, projections)
            return done


def _try_swap(
    database: Database,
    projections: Sequence[Projection],
    check_alone: Callable[[], None],
    hold_ms: int,
) -> SwapReport:
    """All of it in one transaction, with the head locked."""
    with database.writing() as connection:
        attached = [what for each in projections for what in swap.dependents(connection, each)]
        if not attached:
            shadow.lock_tables(connection, projections, ms=hold_ms)
        by_projection = checkpoints.read(connection, projections, lock=True)
        start = time.monotonic()
        # To move rows takes long: what comes in meanwhile is left to the projector.
        head = log.head(connection, lock=not attached)
        matched = [
            _has_same_digest(connection, by_projection[each.name], each) for each in projections
        ]
        runner.project_within(connection, [shadow.of(each) for each in projections], until=head)
        for each in projections:
            _replace(connection, by_projection[each.name], each, is_moved=bool(attached))
        # After the shadows were locked, so that nobody can come between.
        check_alone()
    return SwapReport(
        position=head,
        matched=matched,
        dependents=attached,
        pause_seconds=time.monotonic() - start,
    )


def _has_same_digest(
    connection: Connection, live: Checkpoint, projection: Projection
) -> bool | None:
    """Whether the live rows are what the shadow has at the live table's position."""
    twin = shadow.of(projection)
    runner.project_within(connection, [twin], until=live.position)
    [checkpoint] = checkpoints.read(connection, [twin]).values()
    if live.version != projection.version or live.position != checkpoint.position:
        return None
    return live.digest == checkpoint.digest


def _replace(
    connection: Connection, live: Checkpoint, projection: Projection, *, is_moved: bool
) -> None:
    """The shadow becomes the live table, with its checkpoint and its dead letters."""
    twin = shadow.of(projection)
    [checkpoint] = checkpoints.read(connection, [twin]).values()
    checkpoints.advance(
        connection,
        live,
        projection,
        position=checkpoint.position,
        digest=checkpoint.digest,
        rewritten=True,
    )
    (swap.copy_rows if is_moved else swap.swap_names)(connection, projection)
    swap.move_dead_letters(connection, projection)
    checkpoints.delete_one(connection, twin)


def _remove_replaced(database: Database, projections: Sequence[Projection]) -> None:
    """What was replaced is nobody's any more; on SQLite a writer waits for one table at most."""
    for each in projections:
        with database.writing() as connection:
            shadow.drop(connection, [each])
