"""A rebuild: fold the whole log beside the live tables, then take their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.fold import Projection
from projector.store import checkpoints, dead_letters, log, shadow
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
            letters = _build(connection, plan, engine, on_range)
        with database.writing(connection):
            return _swap(connection, plan, letters)


def _build(
    connection: Connection, plan: Plan, engine: Engine, on_range: Callable[[int, int], None]
) -> dict[str, list[DeadLetter]]:
    """Fill the shadows; the dead letters, which are few, are handed on."""
    letters: dict[str, list[DeadLetter]] = {each.name: [] for each in plan.projections}
    for projection in plan.projections:
        shadow.create(connection, projection)
    for done, changes in enumerate(engine(connection, plan), start=1):
        for projection, change in zip(plan.projections, changes, strict=True):
            shadow.fill(connection, projection, change.new)
            letters[projection.name] += change.letters
        # The last one is that of the events without a stream.
        on_range(done, len(plan.ranges) + 1)
    return letters


def _swap(
    connection: Connection, plan: Plan, letters: dict[str, list[DeadLetter]]
) -> list[Rebuilt]:
    # Locked, so that a live projector waits here and then finds that its rows are no more.
    marks = checkpoints.read(connection, plan.projections, lock=True)
    rebuilt = []
    for projection in plan.projections:
        mine = letters[projection.name]
        checkpoints.advance(
            connection,
            marks[projection.name],
            position=plan.until,
            version=projection.version,
            rewritten=True,
        )
        rows = shadow.swap(connection, projection)
        dead_letters.clear(connection, projection.name)
        dead_letters.replace(connection, projection.name, mine, refolded=[])
        rebuilt.append(
            Rebuilt(name=projection.name, rows=rows, position=plan.until, dead_letters=len(mine))
        )
    return rebuilt
