"""How far each projection has got."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import asdict, evolve, frozen
from sqlalchemy import Connection, bindparam, delete, select, update

from projector.errors import CheckpointMoved
from projector.projections import is_own
from projector.projections.projection import Projection
from projector.projections.rebuilding import SHADOW
from projector.store import dialects, digest
from projector.store.tables import checkpoint, fingerprint

_ADVANCE = update(checkpoint).where(
    checkpoint.c.projection == bindparam("seen_projection"),
    checkpoint.c.position == bindparam("seen_position"),
    checkpoint.c.generation == bindparam("seen_generation"),
)
_ALL = select(checkpoint).order_by(checkpoint.c.projection)


@frozen
class Checkpoint:
    """Everything up to `position` is in the rows of `projection`."""

    projection: str
    position: int
    version: int
    generation: int
    #: Of all rows; see `digest`.
    digest: str
    #: Of the columns that the rows were written with; see `tables.fingerprint`.
    fingerprint: str
    #: Why the projection is set aside; None while it runs.
    error: str | None = None


def read(
    connection: Connection, projections: Iterable[Projection], *, lock: bool = False
) -> dict[str, Checkpoint]:
    """The checkpoints by projection; one that never ran stands at position 0."""
    first = {each.name: _begin(each) for each in projections}
    if lock:
        # There must be rows to lock. Those who make or lock several do so in the order of names.
        for name in sorted(first):
            _ensure(connection, first[name])
    rows = connection.execute(_ALL.with_for_update() if lock else _ALL).all()
    found = {row[0]: Checkpoint(*row) for row in rows}
    return {name: found.get(name) or _if_missing(begin) for name, begin in first.items()}


def names(connection: Connection) -> list[str]:
    """The names of all projections that have a checkpoint, by name; shadows are not among them."""
    found = connection.execute(select(checkpoint.c.projection).order_by(checkpoint.c.projection))
    return [name for name in found.scalars() if not name.endswith(SHADOW)]


def read_one(connection: Connection, name: str) -> Checkpoint | None:
    """The checkpoint of a projection by its name, whether it is installed or not."""
    row = connection.execute(_ALL.where(checkpoint.c.projection == name)).one_or_none()
    return None if row is None else Checkpoint(*row)


def create(connection: Connection, projection: Projection) -> None:
    """Create the checkpoint of a projection at the beginning of the log, if it has none."""
    _ensure(connection, _begin(projection))


def least_position(connection: Connection, projections: Iterable[Projection]) -> int:
    """The position that all of some projections have reached; 0 for none of them."""
    found = read(connection, projections).values()
    return min((each.position for each in found), default=0)


def advance(
    connection: Connection,
    seen: Checkpoint,
    projection: Projection,
    *,
    position: int,
    digest: str,
    rewritten: bool = False,
) -> None:
    """Compare-and-set: move a checkpoint that is still as it was seen, or raise CheckpointMoved.

    `rewritten` says that rows were written otherwise than by going forward from there.
    """
    if seen.position == 0:
        _ensure(connection, seen)
    result = connection.execute(
        _ADVANCE,
        {
            "seen_projection": seen.projection,
            "seen_position": seen.position,
            "seen_generation": seen.generation,
            "position": position,
            "version": projection.version,
            "fingerprint": fingerprint(projection),
            "error": seen.error,
            "generation": seen.generation + rewritten,
            "digest": digest,
        },
    )
    if result.rowcount != 1:
        raise CheckpointMoved(projection=seen.projection, position=seen.position)


def set_error(connection: Connection, projection: Projection, error: str | None) -> None:
    """Set a projection aside, with the reason; or, with None, let it run again."""
    connection.execute(
        update(checkpoint).where(checkpoint.c.projection == projection.name).values(error=error)
    )


def delete_one(connection: Connection, name: str) -> None:
    """Delete the checkpoint of a projection or a shadow."""
    connection.execute(delete(checkpoint).where(checkpoint.c.projection == name))


def _begin(projection: Projection) -> Checkpoint:
    """The checkpoint of a projection that never ran."""
    return Checkpoint(
        projection.name, 0, projection.version, 0, digest.EMPTY, fingerprint(projection)
    )


def _if_missing(begin: Checkpoint) -> Checkpoint:
    """The checkpoint of a projection that has none: its table is missing, if it is another's."""
    name = begin.projection
    if is_own(name) or name.endswith(SHADOW):
        return begin
    return evolve(begin, error="Its table is missing: run `projector migrate`.")


def _ensure(connection: Connection, seen: Checkpoint) -> None:
    """A projection's first step makes its row; of two at once, one waits and then sees it."""
    row = dialects.insert(connection, checkpoint).values(asdict(seen))
    connection.execute(row.on_conflict_do_nothing())
