"""Catches shadows up and swaps them with the live tables: the second half of a rebuild."""

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
from projector.store import checkpoints, group_sizes, log, snapshots
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.rebuild import shadow, swap
from projector.store.row_tables import fingerprint
from replay.engines.engine import OnProgress

#: The tail, in events, at which catching up stops: the swap folds it while writers are blocked. It
#: is longer only if writers outrun ROUNDS_MAX rounds.
TAIL_EVENTS_MAX = 1_000

#: The number of attempts to get within TAIL_EVENTS_MAX of the head while writers keep appending.
ROUNDS_MAX = 10

#: The timeout of each table lock on Postgres, in milliseconds: it doubles with each attempt, up to
#: the maximum. New readers queue behind a waiting lock request, and stall for so long at most.
HOLD_MS = 50
HOLD_MS_MAX = 1_000

#: The time during which a swap is retried while readers hold the tables, in seconds.
PATIENCE_SECONDS_MAX = 600.0


@frozen(kw_only=True)
class SwapReport:
    """The result of a swap."""

    position: int
    #: By projection: whether the live rows had the same digest at the same position; None if the
    #: two could not be compared.
    matched: dict[str, bool | None]
    #: The views and other objects that depend on live tables: rows were copied to keep them.
    dependents: list[str]
    #: The duration of the swap. Writers were blocked during it, except with dependents on Postgres.
    pause_seconds: float


def catch_up(database: Database, shadows: Sequence[Projection], on_progress: OnProgress) -> None:
    """Fold events into shadows until TAIL_EVENTS_MAX are left, or for ROUNDS_MAX rounds."""
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
    """Replace the live tables by their shadows, caught up with the head of the log.

    `check_lock` raises if this rebuild has lost its lock: another rebuild may then own the shadows.
    Raises DependentsInTheWay, with nothing changed; DatabaseBusy if readers hold the tables for
    more than PATIENCE_SECONDS_MAX.
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
            on_progress("waiting for locks", 0, 0)
            # Let the readers and writers proceed that queued behind our lock request.
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
    """Swap in one transaction; raises DatabaseBusy.

    Locks on Postgres, in this order: the table `checkpoint` and the live tables, all checkpoint
    rows, the head; with dependents the checkpoint rows alone. On SQLite: the write lock.
    """
    live = [each.live for each in pairs]
    with database.writing() as connection:
        dependents = _dependents(connection, pairs)
        if not dependents:
            shadow.lock_tables(connection, live, ms=hold_ms)
        before = checkpoints.read(connection, live, lock=True)
        start = time.monotonic()
        # Copying rows takes long, so the head stays unlocked: on Postgres deliveries are appended
        # meanwhile, and projected after the swap.
        head = log.head(connection, lock=not dependents)
        matched = {
            each.live.name: _has_same_digest(connection, before[each.live.name], each)
            for each in pairs
        }
        runner.project_within(connection, [each.shadow for each in pairs], until=head)
        for each in pairs:
            _replace(connection, before[each.live.name], each, copies_rows=bool(dependents))
        # After the statements above have locked the shadows, so that no other rebuild can take
        # them between this check and the commit.
        check_lock()
    return SwapReport(
        position=head,
        matched=matched,
        dependents=dependents,
        pause_seconds=time.monotonic() - start,
    )


def _dependents(connection: Connection, pairs: Sequence[Rebuilding]) -> list[str]:
    """List the dependents of the live tables; raises DependentsInTheWay if a layout changes."""
    before = checkpoints.read(connection, [each.live for each in pairs])
    found = []
    for each in pairs:
        has_new_layout = before[each.live.name].fingerprint != fingerprint(each.live)
        names = swap.dependents(connection, each, has_new_layout=has_new_layout)
        if names and has_new_layout:
            raise DependentsInTheWay(projection=each.live.name, dependents=", ".join(names))
        found += names
    return found


def _has_same_digest(connection: Connection, live: Checkpoint, pair: Rebuilding) -> bool | None:
    """Fold the shadow up to the live table's position, and compare their digests there.

    Returns None if versions or positions differ.
    """
    runner.project_within(connection, [pair.shadow], until=live.position)
    [filled] = checkpoints.read(connection, [pair.shadow]).values()
    if live.version != pair.live.version or live.position != filled.position:
        return None
    return live.digest == filled.digest


def _replace(
    connection: Connection, live: Checkpoint, pair: Rebuilding, *, copies_rows: bool
) -> None:
    """Replace the live table, and all that belongs to it, by the shadow's."""
    [filled] = checkpoints.read(connection, [pair.shadow]).values()
    checkpoints.advance(
        connection,
        live,
        pair.live,
        position=filled.position,
        digest=filled.digest,
        rewritten=True,
    )
    # A projection that an error had suspended runs again from here.
    checkpoints.set_error(connection, pair.live, None)
    (swap.copy_rows if copies_rows else swap.swap_names)(connection, pair)
    swap.move_dead_letters(connection, pair)
    group_sizes.swap(connection, pair)
    snapshots.move(connection, pair)
    checkpoints.delete_one(connection, pair.shadow.name)


def _drop_replaced(database: Database, pairs: Sequence[Rebuilding]) -> None:
    """Drop the replaced tables, each in a transaction of its own.

    On SQLite, a writer then waits for the drop of one table at most.
    """
    for each in pairs:
        with database.writing() as connection:
            shadow.drop(connection, [each.live])
