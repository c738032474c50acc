"""A rebuild: fold the whole log beside the live tables, then take their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.fold import Projection
from projector.store import checkpoints, dead_letters, digest, log, shadow
from projector.store.checkpoints import Checkpoint
from projector.store.dead_letters import DeadLetter
from projector.store.engine import Database
from replay.engines import Engine
from replay.plan import Plan, make_plan


@frozen(kw_only=True)
class Rebuilt:
    """A projection that was rebuilt."""

    name: str
    rows: int
    #: The rows reflect every event up to here.
    position: int
    dead_letters: int
    #: Of the rows; see `projector.store.digest`.
    digest: str


def rebuild(
    database: Database,
    projections: Sequence[Projection],
    engine: Engine,
    *,
    on_range: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Rebuilt]:
    """Rebuild projections from the first event to the head; nothing is changed before the end.

    Readers and writers go on meanwhile. Killed at any moment it leaves the live tables as they
    were, and nothing behind. What came into the log meanwhile is left to the projector.
    """
    with database.connected() as connection:
        with database.reading(connection):
            plan = make_plan(
                projections,
                until=log.head(connection),
                last_stream_id=log.last_stream_id(connection),
            )
            built = _build(connection, plan, engine, on_range)
        with database.writing(connection):
            # Locked, so that a live projector waits here and then finds that its rows are no more.
            marks = checkpoints.read(connection, projections, lock=True)
            return [
                _swap(connection, each, marks[each.projection.name], until=plan.until)
                for each in built
            ]


@define
class _Built:
    """A projection's shadow: its rows are in a table, the dead letters, which are few, are here."""

    projection: Projection
    letters: list[DeadLetter] = field(factory=list)
    digest: str = digest.EMPTY


def _build(
    connection: Connection, plan: Plan, engine: Engine, on_range: Callable[[int, int], None]
) -> list[_Built]:
    """Fill the shadows."""
    built = [_Built(projection) for projection in plan.projections]
    for each in built:
        shadow.create(connection, each.projection)
    for done, changes in enumerate(engine(connection, plan), start=1):
        for each, change in zip(built, changes, strict=True):
            added = shadow.fill(connection, each.projection, change.new)
            each.digest = digest.moved(each.digest, added)
            each.letters += change.letters
        # The last one is that of the events without a stream.
        on_range(done, len(plan.ranges) + 1)
    return built


def _swap(connection: Connection, built: _Built, mark: Checkpoint, *, until: int) -> Rebuilt:
    projection = built.projection
    checkpoints.advance(
        connection,
        mark,
        position=until,
        version=projection.version,
        digest=built.digest,
        rewritten=True,
    )
    rows = shadow.swap(connection, projection)
    dead_letters.clear(connection, projection.name)
    dead_letters.replace(connection, projection.name, built.letters, refolded=[])
    return Rebuilt(
        name=projection.name,
        rows=rows,
        position=until,
        dead_letters=len(built.letters),
        digest=built.digest,
    )
