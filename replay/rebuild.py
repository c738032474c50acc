"""A rebuild: fold the whole log beside the live tables, then take their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen

from projector.errors import ImpactTooGreat
from projector.projections import discover
from projector.projections.projection import Projection
from projector.projections.rebuilding import Rebuilding, rebuilding
from projector.store import checkpoints, dead_letters, log, schema
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import engines, impact, swap, workspace
from replay.engines import Engine, Job
from replay.engines.engine import OnProgress
from replay.fill import fill
from replay.impact import Impact
from replay.plan import RebuildPlan
from replay.swap import SwapReport


@frozen(kw_only=True)
class ProjectionRebuild:
    """A projection that was rebuilt."""

    name: str
    rows: int
    #: The rows reflect every event up to here.
    position: int
    dead_letters: int
    #: Of the rows; see `projector.store.digest`.
    digest: str
    #: Whether the rows before had the same digest at the same position; None where they were at
    #: another position, or of another version of the fold, or have not been replaced.
    matched: bool | None


@frozen(kw_only=True)
class RebuildReport:
    """What a rebuild did."""

    rebuilt: tuple[ProjectionRebuild, ...]
    #: Whether the new tables took the place of the old ones.
    swapped: bool
    #: How many events were folded from the beginning, and how long all of it took, in seconds.
    events: int
    seconds: float
    #: How long nobody could write while the new tables took the place of the old ones.
    pause_seconds: float
    #: What users had hung on the old tables, so that rows were moved, and not tables.
    dependents: tuple[str, ...]
    #: Whether a rebuild that was killed had left something, which was removed.
    found_leftovers: bool
    #: What changes in segments and tiers, if that was asked.
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
    """Rebuild projections from the first event to the head, beside the live tables, then swap.

    Readers and writers go on meanwhile. Killed at any moment it leaves the live tables as they
    were; the next rebuild removes its shadows and files. Without an `engine`, the size of the log
    decides; `workers` is the number of processes of a parallel one. With `dry_run` the live tables
    stay as they are, and the report has the impact. Raises ImpactTooGreat, with nothing changed,
    where more than `change_percent_max` percent of the customers would gain or lose a segment or
    tier; RebuildRunning, SpillUnwritable, WorkerDied, DependentsInTheWay.
    """
    begin = time.monotonic()
    is_compared = dry_run or change_percent_max is not None
    pairs = tuple(map(rebuilding, projections))
    with _exclusively(database) as (space, found_leftovers, check_lock):
        plan = _plan(database, pairs, is_compared=is_compared)
        job = Job(
            database=database,
            plan=plan,
            folder=space.path,
            workers=workers or engines.available_cores(),
            on_progress=on_progress,
        )
        fill(job, engine or engines.choose(plan.until, workers))
        found = impact.compare(database, pairs) if is_compared else None
        if found and change_percent_max is not None and found.percent > change_percent_max:
            raise ImpactTooGreat(percent=found.percent, percent_max=change_percent_max)
        swapped = None if dry_run else swap.swap_in(database, pairs, check_lock, on_progress)
        rebuilt = _rebuilt(database, pairs, swapped)
    return RebuildReport(
        rebuilt=rebuilt,
        swapped=swapped is not None,
        events=plan.until,
        seconds=round(time.monotonic() - begin, 3),
        pause_seconds=round(swapped.pause_seconds, 6) if swapped else 0.0,
        dependents=tuple(swapped.dependents) if swapped else (),
        found_leftovers=found_leftovers,
        impact=found,
    )


@contextmanager
def _exclusively(
    database: Database,
) -> Iterator[tuple[workspace.Workspace, bool, Callable[[], None]]]:
    """Be the only rebuild of a database, begin without leftovers, and leave none."""
    with workspace.opened(database) as space, shadow.lock(database) as check_lock:
        found_leftovers = _remove_shadows(database)
        schema.create_missing_tables(database)
        try:
            yield space, found_leftovers or space.had_leftovers, check_lock
        finally:
            _remove_shadows(database)


def _remove_shadows(database: Database) -> bool:
    """Remove the shadows of any rebuild; returns whether there were some."""
    with database.reading() as connection:
        found = shadow.find_leftovers(connection, discover())
    if found:
        with database.writing() as connection:
            shadow.drop(connection, discover())
    return bool(found)


def _plan(database: Database, pairs: tuple[Rebuilding, ...], *, is_compared: bool) -> RebuildPlan:
    """Plan up to the head; or to where the live tables are, if they are to be compared."""
    with database.reading() as connection:
        until = log.head(connection)
        if is_compared:
            before = checkpoints.read(connection, [each.live for each in pairs]).values()
            until = min((each.position for each in before if each.position), default=until)
        return RebuildPlan(pairs=pairs, until=until, streams=log.last_stream_id(connection))


def _rebuilt(
    database: Database, pairs: Sequence[Rebuilding], swapped: SwapReport | None
) -> tuple[ProjectionRebuild, ...]:
    """The rebuilt projections: in the live tables, or in the shadows of a dry run."""
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
