"""A rebuild: fold the whole log beside the live tables, then take their place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import frozen

from projector.errors import ChurnTooGreat
from projector.projections import discover
from projector.projections.projection import Projection
from projector.store import checkpoints, dead_letters, log
from projector.store.database import Database
from projector.store.rebuild import shadow
from replay import impact, swap, workspace
from replay.engines import Engine, Job
from replay.engines.engine import OnProgress
from replay.fill import build
from replay.impact import Churn
from replay.plan import Plan
from replay.swap import Takeover


@frozen(kw_only=True)
class RebuiltProjection:
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
class Rebuild:
    """What a rebuild did."""

    rebuilt: tuple[RebuiltProjection, ...]
    #: Whether the new tables took the place of the old ones.
    swapped: bool
    #: How many events were folded from the beginning, and how long all of it took, in seconds.
    events: int
    seconds: float
    #: How long nobody could write while the new tables took the place of the old ones.
    pause_seconds: float
    #: What users had hung on the old tables, so that rows were moved, and not tables.
    attached: tuple[str, ...]
    #: Whether a rebuild that was killed had left something, which was removed.
    found_leftovers: bool
    #: What changes in segments and tiers, if that was asked.
    churn: Churn | None


def rebuild(
    database: Database,
    projections: Sequence[Projection],
    engine: Engine,
    *,
    workers: int = 1,
    dry_run: bool = False,
    churn_percent_max: float | None = None,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> Rebuild:
    """Rebuild projections from the first event to the head; nothing is changed before the end.

    Readers and writers go on meanwhile. Killed at any moment it leaves the live tables as they
    were; the next one removes what else it leaves. With `dry_run` they stay as they are, and what
    would change is told. Raises ChurnTooGreat, with nothing changed, where more customers than so
    many percent would gain or lose a segment or tier; RebuildRunning, SpillUnwritable, WorkerDied.
    """
    begin = time.monotonic()
    is_compared = dry_run or churn_percent_max is not None
    with _alone(database) as (space, found_leftovers, check_alone):
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
        if found and churn_percent_max is not None and found.percent > churn_percent_max:
            raise ChurnTooGreat(percent=found.percent, percent_max=churn_percent_max)
        done = None if dry_run else swap.take_over(database, projections, check_alone, on_progress)
        rebuilt = _rebuilt(database, projections, done)
    return Rebuild(
        rebuilt=rebuilt,
        swapped=done is not None,
        events=plan.until,
        seconds=round(time.monotonic() - begin, 3),
        pause_seconds=round(done.pause_seconds, 6) if done else 0.0,
        attached=tuple(done.attached) if done else (),
        found_leftovers=found_leftovers,
        churn=found,
    )


@contextmanager
def _alone(database: Database) -> Iterator[tuple[workspace.Workspace, bool, Callable[[], None]]]:
    """Be the only rebuild of a database, begin with nothing, and leave nothing."""
    with workspace.opened(database) as space, shadow.locked(database) as check:
        left = _remove_shadows(database)
        try:
            yield space, left or space.had_leftovers, check
        finally:
            _remove_shadows(database)


def _remove_shadows(database: Database) -> bool:
    """Remove shadows, of whatever rebuild; returns whether there were any."""
    with database.reading() as connection:
        left = shadow.leftovers(connection, discover())
    if left:
        with database.writing() as connection:
            shadow.drop(connection, discover())
    return bool(left)


def _plan(database: Database, projections: Sequence[Projection], *, is_compared: bool) -> Plan:
    """Up to the head; or to where the live tables are, if these may not go on to be compared."""
    with database.reading() as connection:
        marks = checkpoints.read(connection, projections).values()
        until = log.head(connection)
        if is_compared:
            until = min((mark.position for mark in marks if mark.position), default=until)
        return Plan(
            projections=tuple(shadow.of(each) for each in projections),
            until=until,
            streams=log.last_stream_id(connection),
        )


def _rebuilt(
    database: Database, projections: Sequence[Projection], done: Takeover | None
) -> tuple[RebuiltProjection, ...]:
    """What has come of it: in the live tables, or in the shadows of a dry run."""
    found = list(projections) if done else [shadow.of(each) for each in projections]
    matched = done.matched if done else [None] * len(found)
    with database.reading_tables() as connection:
        marks = checkpoints.read(connection, found)
        letters = dead_letters.counts(connection)
        return tuple(
            RebuiltProjection(
                name=projection.name,
                rows=shadow.count(connection, each),
                position=marks[each.name].position,
                dead_letters=letters.get(each.name, 0),
                digest=marks[each.name].digest,
                matched=is_same,
            )
            for projection, each, is_same in zip(projections, found, matched, strict=True)
        )
