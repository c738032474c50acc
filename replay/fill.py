"""Creates and fills shadow tables beside the live ones: the first half of a rebuild."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing

from attrs import define, evolve, field, frozen

from projector.errors import RowsLost
from projector.projections.projection import Projection
from projector.runner import runner
from projector.store import checkpoints, dead_letters, digest, group_sizes, snapshots
from projector.store.database import Database
from projector.store.rebuild import shadow, staging
from projector.store.row_tables import fingerprint
from replay.engines.engine import NO_COST, Cost, Engine, EnginePiece, Job


@frozen(kw_only=True)
class Filled:
    """The part of a rebuild that an engine did."""

    #: The last position that it folded.
    until: int
    cost: Cost


def fill(job: Job, engine: Engine) -> Filled:
    """Create the shadows of the plan's projections and fill them up to the plan's position.

    The engine folds as far as it reaches, the runner what is left. Raises RowsLost if a shadow has
    another number of rows than the engine wrote.
    """
    _create_shadows(job)
    reach = engine.reach(job)
    cost = _fold(evolve(job, plan=evolve(job.plan, until=reach)), engine)
    if reach < job.plan.until:
        _fold_rest(job)
    return Filled(until=reach, cost=cost)


def _fold_rest(job: Job) -> None:
    """Fold the events behind the engine's reach; raises what stops a projection."""
    failures = runner.catch_up(
        job.database,
        job.plan.shadows,
        until=job.plan.until,
        on_batch=lambda position: job.on_progress("catching up", position, job.plan.until),
    )
    if failures:
        raise failures[0]


def _create_shadows(job: Job) -> None:
    with job.database.writing() as connection:
        before = checkpoints.read(connection, [each.live for each in job.plan.pairs])
        for pair in job.plan.pairs:
            has_new_layout = before[pair.live.name].fingerprint != fingerprint(pair.live)
            shadow.create(connection, pair, has_new_layout=has_new_layout)


def _fold(job: Job, engine: Engine) -> Cost:
    """Run the engine, and store what it yields."""
    shadows = job.plan.shadows
    tallies = [_Tally() for _ in shadows]
    cost = NO_COST
    # Closed even after an error: workers must not go on writing to tables and files that are being
    # removed.
    with closing(_pieces(job, engine)) as pieces:
        for piece in pieces:
            _store_piece(job.database, shadows, piece)
            cost += piece.cost
            for tally, folded in zip(tallies, piece.folded, strict=True):
                tally.rows += folded.rows
                tally.digest = digest.apply(tally.digest, folded.digest)
    for done, (each, tally) in enumerate(zip(shadows, tallies, strict=True)):
        job.on_progress("indexing", done, len(shadows))
        _finish(job, each, tally)
    return cost


def _pieces(job: Job, engine: Engine) -> Generator[EnginePiece, None, None]:
    """Yield the pieces of an engine; closing this generator closes the engine's iterator."""
    yield from engine.run(job)


@define
class _Tally:
    """The sums over all pieces for one shadow."""

    rows: int = 0
    digest: str = field(default=digest.EMPTY)


def _store_piece(database: Database, shadows: Sequence[Projection], piece: EnginePiece) -> None:
    """Load a piece's staged rows, and store what belongs to them."""
    if piece.path is not None:
        staging.load(database, shadows, piece.path)
    if not any(folded.dead_letters or folded.snapshots or folded.sizes for folded in piece.folded):
        return
    with database.writing() as connection:
        for each, folded in zip(shadows, piece.folded, strict=True):
            dead_letters.replace(connection, each.name, folded.dead_letters, refolded=[])
            group_sizes.add(connection, each, folded.sizes)
            snapshots.replace(connection, each, folded.snapshots)


def _finish(job: Job, projection: Projection, tally: _Tally) -> None:
    """Add the constraints, check the number of rows, and advance the shadow's checkpoint."""
    with job.database.writing() as connection:
        shadow.add_constraints(connection, projection)
    with job.database.reading() as connection:
        found = shadow.count_rows(connection, projection)
    if found != tally.rows:
        raise RowsLost(projection=projection.name, found=found, expected=tally.rows)
    with job.database.writing() as connection:
        [checkpoint] = checkpoints.read(connection, [projection]).values()
        checkpoints.advance(
            connection,
            checkpoint,
            projection,
            position=job.plan.until,
            digest=tally.digest,
        )
