"""A rebuild: fold the whole log beside the live tables, then take their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen

from projector.errors import ImpactTooGreat
from projector.projections import discover
from projector.projections.projection import Projection
from projector.store import checkpoints, dead_letters, log
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import impact, swap, workspace
from replay.engines import Engine, Job
from replay.engines.engine import OnProgress
from replay.fill import build
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
    engine: Engine,
    *,
    workers: int = 1,
    dry_run: bool = False,
    change_percent_max: float | None = None,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> RebuildReport:
    """Rebuild projections from the first event to the head; nothing is changed before the end.

    Readers and writers go on meanwhile. Killed at any moment it leaves the live tables as they
    were; the next one removes what else it leaves. With `dry_run` they stay as they are, and what
    would change is told. Raises ChurnTooGreat, with nothing changed, where more customers than so
    many percent would gain or lose a segment or tier; RebuildRunning, SpillUnwritable, WorkerDied.
    """
    begin = time.monotonic()
    is_compared = dry_run or change_percent_max is not None
    with _exclusively(database) as (space, found_leftovers, check_alone):
        plan = _plan(database, projections, is_compared=is_compared)
        job = Job(
            database=database,
            plan=plan,
            folder=space.path,
            workers=workers,
            on_progress=on_progress,
        )
        build(job, engine)
        found = impact.compare(database, projections) if is_compared else None
        if found and change_percent_max is not None and found.percent > change_percent_max:
            raise ImpactTooGreat(percent=found.percent, percent_max=change_percent_max)
        done = None if dry_run else swap.swap_in(database, projections, check_alone, on_progress)
        rebuilt = _rebuilt(database, projections, done)
    return RebuildReport(
        rebuilt=rebuilt,
        swapped=done is not None,
        events=plan.until,
        seconds=round(time.monotonic() - begin, 3),
        pause_seconds=round(done.pause_seconds, 6) if done else 0.0,
        dependents=tuple(done.dependents) if done else (),
        found_leftovers=found_leftovers,
        impact=found,
    )


@contextmanager
def _exclusively(
    database: Database,
) -> Iterator[tuple[workspace.Workspace, bool, Callable[[], None]]]:
    """Be the only rebuild of a database, begin with nothing, and leave nothing."""
    with workspace.opened(database) as space, shadow.lock(database) as check:
        left = _remove_shadows(database)
        try:
            yield space, left or space.had_leftovers, check
        finally:
            _remove_shadows(database)


def _remove_shadows(database: Database) -> bool:
    """Remove shadows, of whatever rebuild; returns whether there were any."""
    with database.reading() as connection:
        left = shadow.find_leftovers(connection, discover())
    if left:
        with database.writing() as connection:
            shadow.drop(connection, discover())
    return bool(left)


def _plan(
    database: Database, projections: Sequence[Projection], *, is_compared: bool
) -> RebuildPlan:
    """Up to the head; or to where the live tables are, if these may not go on to be compared."""
    with database.reading() as connection:
        by_projection = checkpoints.read(connection, projections).values()
        until = log.head(connection)
        if is_compared:
            until = min(
                (checkpoint.position for checkpoint in by_projection if checkpoint.position),
                default=until,
            )
        return RebuildPlan(
            projections=tuple(shadow.of(each) for each in projections),
            until=until,
            streams=log.last_stream_id(connection),
        )


def _rebuilt(
    database: Database, projections: Sequence[Projection], done: SwapReport | None
) -> tuple[ProjectionRebuild, ...]:
    """What has come of it: in the live tables, or in the shadows of a dry run."""
    found = list(projections) if done else [shadow.of(each) for each in projections]
    matched = done.matched if done else [None] * len(found)
    with database.reading_tables() as connection:
        by_projection = checkpoints.read(connection, found)
        letters = dead_letters.count_by_projection(connection)
        return tuple(
            ProjectionRebuild(
                name=projection.name,
                rows=shadow.count_rows(connection, each),
                position=by_projection[each.name].position,
                dead_letters=letters.get(each.name, 0),
                digest=by_projection[each.name].digest,
                matched=is_same,
            )
            for projection, each, is_same in zip(projections, found, matched, strict=True)
        )
