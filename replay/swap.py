"""The second half of a rebuild: catches shadows up and swaps them with the live tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import DatabaseBusy, DependentsInTheWay
from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding
from projector.runner import runner
from projector.store import checkpoints, log
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.rebuild import shadow, swap
from projector.store.tables import fingerprint
from replay.engines.engine import OnProgress

#: The longest tail that is folded while writers wait, in events.
TAIL_EVENTS_MAX = 1_000

#: How many times to shorten the tail, where writers append as fast as it is folded.
ROUNDS_MAX = 10

#: How long to wait for readers, who then hold up others: at first, and at the most.
HOLD_MS = 50
HOLD_MS_MAX = 1_000

#: How long to go on trying while readers hold the tables, in seconds.
PATIENCE_SECONDS_MAX = 600.0


@frozen(kw_only=True)
class SwapReport:
    """The result of a swap."""

    position: int
    #: By projection: whether the live rows had the same digest at the same position; None where
    #: the two could not be compared.
    matched: dict[str, bool | None]
    #: What depends on live tables, so that rows were copied instead of swapping tables.
    dependents: list[str]
    #: How long writers had to wait.
    pause_seconds: float


def catch_up(database: Database, shadows: Sequence[Projection], on_progress: OnProgress) -> None:
    """Bring shadows near the head."""
    for _ in range(ROUNDS_MAX):
        with database.reading() as connection:
            head = log.head(connection)
            behind = head - checkpoints.least_position(connection, shadows)
        if behind <= TAIL_EVENTS_MAX:
            return
        runner.catch_up(database, shadows, until=head, on_batch=partial(_report, on_progress, head))


def _report(on_progress: OnProgress, head: int, position: int) -> None:
    on_progress("catching up", position, head)


def swap_in(
    database: Database,
    pairs: Sequence[Rebuilding],
    check_lock: Callable[[], None],
    on_progress: OnProgress,
) -> SwapReport:
    """Put shadows in the place of the live tables, at the head of the log.

    `check_lock` raises where the lock of this rebuild is gone: another rebuild may then own the
    shadows. Raises DependentsInTheWay, with nothing changed.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS_MAX
    hold_ms = HOLD_MS
    while True:
        catch_up(database, [each.shadow for each in pairs], on_progress)
        try:
            report = _try_swap(database, pairs, check_lock, hold_ms)
        except DatabaseBusy:
            if time.monotonic() > deadline:
                raise
            on_progress("waiting for readers", 0, 0)
            # Let those pass first who had to wait behind this.
            time.sleep(2 * hold_ms / 1000)
            hold_ms = min(2 * hold_ms, HOLD_MS_MAX)
        else:
            _drop_replaced(database, pairs)
            return report


def _try_swap(
    database: Database,
    pairs: Sequence[Rebuilding],
    check_lock: Callable[[], None],
    hold_ms: int,
) -> SwapReport:
    """Swap in one transaction, with the head locked."""
    live = [each.live for each in pairs]
    with database.writing() as connection:
        dependents = _dependents(connection, pairs)
        if not dependents:
            shadow.lock_tables(connection, live, ms=hold_ms)
        before = checkpoints.read(connection, live, lock=True)
        start = time.monotonic()
        # Copying rows takes long: then the runner folds what comes in meanwhile.
        head = log.head(connection, lock=not dependents)
        matched = {
            each.live.name: _has_same_digest(connection, before[each.live.name], each)
            for each in pairs
        }
        runner.project_within(connection, [each.shadow for each in pairs], until=head)
        for each in pairs:
            _replace(connection, before[each.live.name], each, copies_rows=bool(dependents))
        # After the shadows were locked, so that another rebuild cannot come between.
        check_lock()
    return SwapReport(
        position=head,
        matched=matched,
        dependents=dependents,
        pause_seconds=time.monotonic() - start,
    )


def _dependents(connection: Connection, pairs: Sequence[Rebuilding]) -> list[str]:
    """What depends on the live tables; raises DependentsInTheWay where a layout changes."""
    before = checkpoints.read(connection, [each.live for each in pairs])
    found = []
    for each in pairs:
        has_new_layout = before[each.live.name].fingerprint != fingerprint(each.live)
        mine = swap.dependents(connection, each, has_new_layout=has_new_layout)
        if mine and has_new_layout:
            raise DependentsInTheWay(projection=each.live.name, dependents=", ".join(mine))
        found += mine
    return found


def _has_same_digest(connection: Connection, live: Checkpoint, pair: Rebuilding) -> bool | None:
    """Whether the live rows are those that the shadow has at the live table's position."""
    runner.project_within(connection, [pair.shadow], until=live.position)
    [filled] = checkpoints.read(connection, [pair.shadow]).values()
    if live.version != pair.live.version or live.position != filled.position:
        return None
    return live.digest == filled.digest


def _replace(
    connection: Connection, live: Checkpoint, pair: Rebuilding, *, copies_rows: bool
) -> None:
    """Make the shadow the live table, with its checkpoint and its dead letters."""
    [filled] = checkpoints.read(connection, [pair.shadow]).values()
    checkpoints.advance(
        connection,
        live,
        pair.live,
        position=filled.position,
        digest=filled.digest,
        rewritten=True,
    )
    # A projection that was set aside runs again from here.
    checkpoints.set_error(connection, pair.live, None)
    (swap.copy_rows if copies_rows else swap.swap_names)(connection, pair)
    swap.move_dead_letters(connection, pair)
    checkpoints.delete_one(connection, pair.shadow.name)


def _drop_replaced(database: Database, pairs: Sequence[Rebuilding]) -> None:
    """Drop replaced tables, one a transaction: on SQLite a writer waits for one table at most."""
    for each in pairs:
        with database.writing() as connection:
            shadow.drop(connection, [each.live])
