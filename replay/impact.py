"""What a rebuild would change, before it does: who gains or loses which segment or tier."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.projections.projection import Projection
from projector.runner import runner
from projector.store import checkpoints, log
from projector.store.database import Database
from projector.store.rebuild import difference as stored
from projector.store.rebuild import shadow

#: How often the two sides are brought to one position, while a projector moves one of them on.
ROUNDS_MAX = 10


@frozen(kw_only=True)
class GroupChange:
    """A segment or tier that customers come into or go out of."""

    project_id: str
    id: str
    name: str | None
    gaining: int
    losing: int
    #: Some of their ids.
    gaining_examples: tuple[str, ...]
    losing_examples: tuple[str, ...]


@frozen(kw_only=True)
class RowChange:
    """How many rows of a projection differ; one whose columns differ is new and gone."""

    name: str
    rows_new: int
    rows_gone: int


@frozen(kw_only=True)
class Impact:
    """What differs between the tables as they are and as a rebuild would have them."""

    #: How many customers gain or lose a segment or tier, and out of a hundred that are known.
    customers: int
    percent: float
    segments: tuple[GroupChange, ...]
    tiers: tuple[GroupChange, ...]
    rows: tuple[RowChange, ...]


def compare(database: Database, projections: Sequence[Projection]) -> Impact:
    """Compare live tables with their shadows, at the same position."""
    for _ in range(ROUNDS_MAX):
        if _align(database, projections):
            break
    with database.reading_tables() as connection:
        telling = [each for each in projections if stored.has_groups(each)]
        changes = {
            each.name: _changes(stored.gained(connection, each), stored.lost(connection, each))
            for each in telling
        }
        customers = stored.count_customers(connection, telling)
        known = log.last_stream_id(connection)
        return Impact(
            customers=customers,
            percent=100 * customers / known if known else 0.0,
            segments=changes.get("segment_membership", ()),
            tiers=changes.get("loyalty_tier", ()),
            rows=tuple(
                RowChange(name=each.name, rows_new=new, rows_gone=gone)
                for each in projections
                for new, gone in (stored.count_rows(connection, each),)
            ),
        )


def _align(database: Database, projections: Sequence[Projection]) -> bool:
    """Bring each shadow to where its live table is, which stays as it is.

    A plan of what is to be compared ends where the live tables are; only one that nobody has filled
    yet is behind its shadow.
    """
    for each in projections:
        live, _ = _checkpoints(database, each)
        runner.catch_up(database, [shadow.of(each)], until=live.position)
    by_projection = (_checkpoints(database, each) for each in projections)
    return all(live.position <= twin.position for live, twin in by_projection)


def _checkpoints(
    database: Database, projection: Projection
) -> tuple[checkpoints.Checkpoint, checkpoints.Checkpoint]:
    twin = shadow.of(projection)
    with database.reading() as connection:
        found = checkpoints.read(connection, [projection, twin])
    return found[projection.name], found[twin.name]


def _changes(
    gained: Sequence[stored.GroupMove], lost: Sequence[stored.GroupMove]
) -> tuple[GroupChange, ...]:
    coming = {(each.project_id, each.group_id): each for each in gained}
    going = {(each.project_id, each.group_id): each for each in lost}
    return tuple(
        _change(coming.get(group), going.get(group)) for group in sorted({*coming, *going})
    )


def _change(coming: stored.GroupMove | None, going: stored.GroupMove | None) -> GroupChange:
    [told, *_] = [each for each in (coming, going) if each is not None]
    return GroupChange(
        project_id=told.project_id,
        id=told.group_id,
        name=told.name,
        gaining=coming.customers if coming else 0,
        losing=going.customers if going else 0,
        gaining_examples=coming.examples if coming else (),
        losing_examples=going.examples if going else (),
    )
