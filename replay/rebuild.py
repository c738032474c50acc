"""Rebuilds projections: folds the whole log into shadow tables, then swaps them in."""

from __future__ import annotations

import time
from collections.abc import Sequence

from attrs import frozen

from projector.errors import ImpactTooGreat
from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding, rebuilding
from projector.store import checkpoints, dead_letters, log, log_head, projection_tables
from projector.store.database import Database
from projector.store.rebuild import rights, shadow
from replay import engines, impact, swap
from replay.engines import Engine, Job
from replay.engines.engine import NO_COST, Cost, OnProgress
from replay.exclusive import exclusively
from replay.fill import fill
from replay.impact import Impact
from replay.plan import RebuildPlan
from replay.swap import SwapReport


@frozen(kw_only=True)
class ProjectionRebuild:
    """The result of a rebuild for one projection."""

    name: str
    rows: int
    #: The checkpoint: the rows reflect every event up to this position.
    position: int
    dead_letters: int
    #: The digest of the rows; see `projector.store.digest`.
    digest: str
    #: Whether the old rows had the same digest at the same position; None if they were at another
    #: position, written by another version of the fold, or not replaced (a dry run).
    matched: bool | None


@frozen(kw_only=True)
class RebuildReport:
    """The result of a rebuild."""

    rebuilt: tuple[ProjectionRebuild, ...]
    #: Whether the shadows replaced the live tables.
    swapped: bool
    #: The number of events folded from the beginning of the log.
    events: int
    engine: str
    #: The last position that the engine folded; the runner folded the rest.
    engine_position: int
    #: What it took in processes of another program, such as Spark's; None if there are none.
    engine_cost: Cost | None
    #: The duration of the rebuild.
    seconds: float
    #: The part of it during which writers were blocked, for the swap.
    pause_seconds: float
    #: The views and other objects that depend on live tables: rows were copied to keep them.
    dependents: tuple[str, ...]
    #: Whether shadows or files of a rebuild that was killed were found; they were removed.
    found_leftovers: bool
    #: The changes in segments and tiers; None unless a dry run or a limit asked for them.
    impact: Impact | None


def rebuild(
    database: Database,
    projections: Sequence[Projection],
    engine: Engine | None = None,
    *,
    workers: int | None = None,
    dry_run: bool = False,
    change_percent_max: float | None = None,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> RebuildReport:
    """Fold the log from the first event to the head into shadow tables, then swap them in.

    Readers and writers are not blocked until the swap. If the rebuild is killed at any moment, the
    live tables stay as they were; the next rebuild removes its shadows and files. The size of the
    log chooses the engine unless `engine` is given; `workers` is the number of processes of a
    parallel one, by default one for each core. `dry_run` leaves the live tables unchanged and
    reports the impact. Raises ImpactTooGreat, with nothing changed, if more than
    `change_percent_max` percent of the customers would gain or lose a segment or tier;
    RebuildRunning, RebuildRightsMissing, SpillUnwritable, WorkerDied, EventsLost, RowsLost,
    DependentsInTheWay, TableTaken. It uses the database's direct URL if there is one.
    """
    begin = time.monotonic()
    is_compared = dry_run or change_percent_max is not None
    pairs = tuple(map(rebuilding, projections))
    with (
        database.direct() as database,
        exclusively(database) as (space, found_leftovers, check_lock),
    ):
        with database.reading() as connection:
            projection_tables.require_own_tables(connection, projections)
            rights.require(connection, pairs, url=database, swaps=not dry_run)
        plan = _plan(database, pairs, is_compared=is_compared)
        job = Job(
            database=database,
            plan=plan,
            folder=space.path,
            workers=workers or engines.available_cores(),
            on_progress=on_progress,
        )
        engine = engine or engines.choose(plan.until, workers)
        found_leftovers |= engine.clear(job)
        filled = fill(job, engine)
        found = impact.compare(database, pairs) if is_compared else None
        if found and change_percent_max is not None and found.percent > change_percent_max:
            raise ImpactTooGreat(percent=found.percent, percent_max=change_percent_max)
        swapped = None if dry_run else swap.swap_in(database, pairs, check_lock, on_progress)
        rebuilt = _rebuilt(database, pairs, swapped)
    return RebuildReport(
        rebuilt=rebuilt,
        swapped=swapped is not None,
        events=plan.until,
        engine=engine.name,
        engine_position=filled.until,
        engine_cost=None if filled.cost == NO_COST else filled.cost,
        seconds=round(time.monotonic() - begin, 3),
        pause_seconds=round(swapped.pause_seconds, 6) if swapped else 0.0,
        dependents=tuple(swapped.dependents) if swapped else (),
        found_leftovers=found_leftovers,
        impact=found,
    )


def _plan(database: Database, pairs: tuple[Rebuilding, ...], *, is_compared: bool) -> RebuildPlan:
    """Plan a rebuild up to the head, or up to the live tables' position if they are compared."""
    with database.reading() as connection:
        log_head.check(connection)
        until = log.head(connection)
        if is_compared:
            before = checkpoints.read(connection, [each.live for each in pairs]).values()
            until = min((until, *(each.position for each in before if each.position)))
        return RebuildPlan(pairs=pairs, until=until, streams=log.last_stream_id(connection))


def _rebuilt(
    database: Database, pairs: Sequence[Rebuilding], swapped: SwapReport | None
) -> tuple[ProjectionRebuild, ...]:
    """Report on the rebuilt tables: the live ones, or the shadows after a dry run."""
    tables = [each.live if swapped else each.shadow for each in pairs]
    with database.reading_tables() as connection:
        after = checkpoints.read(connection, tables)
        skipped = dead_letters.count_by_projection(connection)
        return tuple(
            ProjectionRebuild(
                name=pair.live.name,
                rows=shadow.count_rows(connection, each),
                position=after[each.name].position,
                dead_letters=skipped.get(each.name, 0),
                digest=after[each.name].digest,
                matched=swapped.matched[pair.live.name] if swapped else None,
            )
            for pair, each in zip(pairs, tables, strict=True)
        )
