"""Stores the checkpoint of each projection: its position in the log, with compare-and-set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import asdict, astuple, evolve, frozen
from sqlalchemy import Connection, delete, select, update

from projector.errors import CheckpointMoved
from projector.projections import is_own
from projector.projections.projection import Projection
from projector.projections.rebuilding import SHADOW
from projector.store import dialects, digest
from projector.store.row_tables import fingerprint
from projector.store.tables import checkpoint

_ALL = select(checkpoint).order_by(checkpoint.c.projection)
_ADVANCE = (
    "UPDATE checkpoint SET position = {0}, version = {0}, generation = {0}, digest = {0},"
    " fingerprint = {0}, error = {0}"
    " WHERE projection = {0} AND position = {0} AND generation = {0}"
)


@frozen
class Checkpoint:
    """The checkpoint of a projection: its rows contain every event up to `position`."""

    projection: str
    position: int
    #: The version of the fold that wrote the rows.
    version: int
    #: The number of times that rows were written other than by going forward (rebuild, retry).
    generation: int
    #: The digest of all rows; see `digest`.
    digest: str
    #: The layout of the table that the rows were written to; see `row_tables.fingerprint`.
    fingerprint: str
    #: Why the projection is set aside; None while it runs.
    error: str | None = None

    def advanced(
        self, projection: Projection, *, position: int, digest: str, rewritten: bool = False
    ) -> Checkpoint:
        """Return the checkpoint after a change of the rows; see `advance`."""
        return Checkpoint(
            self.projection,
            position,
            projection.version,
            self.generation + rewritten,
            digest,
            fingerprint(projection),
            self.error,
        )


def read(
    connection: Connection, projections: Iterable[Projection], *, lock: bool = False
) -> dict[str, Checkpoint]:
    """Return the checkpoints by projection; a projection that never ran is at position 0.

    With `lock`, all checkpoints stay locked until the transaction ends.
    """
    initial = {each.name: _initial(each) for each in projections}
    if lock:
        # Only existing rows can be locked. Every transaction creates and locks checkpoints in the
        # order of their names, so that two of them cannot deadlock.
        for name in sorted(initial):
            _ensure(connection, initial[name])
    rows = connection.execute(_ALL.with_for_update() if lock else _ALL).all()
    stored = {row[0]: Checkpoint(*row) for row in rows}
    return {name: stored.get(name) or _if_missing(first) for name, first in initial.items()}


def names(connection: Connection) -> list[str]:
    """Return the names of all projections that have a checkpoint, sorted; without shadows."""
    rows = connection.execute(select(checkpoint.c.projection).order_by(checkpoint.c.projection))
    return [name for name in rows.scalars() if not name.endswith(SHADOW)]


def read_one(connection: Connection, name: str) -> Checkpoint | None:
    """Return the checkpoint of a projection, installed or not, by its name; None if missing."""
    row = connection.execute(_ALL.where(checkpoint.c.projection == name)).one_or_none()
    return None if row is None else Checkpoint(*row)


def create(connection: Connection, projection: Projection) -> None:
    """Create the checkpoint of a projection at position 0, the beginning of the log, if missing."""
    _ensure(connection, _initial(projection))


def least_position(connection: Connection, projections: Iterable[Projection]) -> int:
    """Return the least position of the projections, which all of them have reached; 0 for none."""
    checkpoints = read(connection, projections).values()
    return min((each.position for each in checkpoints), default=0)


def advance(
    connection: Connection,
    seen: Checkpoint,
    projection: Projection,
    *,
    position: int,
    digest: str,
    rewritten: bool = False,
) -> None:
    """Advance a checkpoint by compare-and-set; raise CheckpointMoved if it is not `seen` any more.

    It is compared by position and generation. `rewritten` means that rows were written other than
    by going forward from `seen`: it raises the generation, so that a projector that computed from
    the older rows loses its own compare-and-set.
    """
    if seen.position == 0:
        _ensure(connection, seen)
    after = seen.advanced(projection, position=position, digest=digest, rewritten=rewritten)
    statement = advance_statement("?" if connection.dialect.name == "sqlite" else "%s")
    if connection.exec_driver_sql(statement, advance_params(seen, after)).rowcount != 1:
        raise CheckpointMoved(projection=seen.projection, position=seen.position)


def advance_statement(placeholder: str) -> str:
    """Return the compare-and-set; the driver's placeholder is `?` on SQLite, `%s` on Postgres."""
    return _ADVANCE.format(placeholder)


def advance_params(seen: Checkpoint, after: Checkpoint) -> tuple[Any, ...]:
    """Return the parameters of `advance_statement`; it changes one row, or none if it fails."""
    return (*astuple(after)[1:], seen.projection, seen.position, seen.generation)


def rewrite(connection: Connection, name: str, *, digest: str) -> None:
    """Record that rows of a projection were deleted; its checkpoint is locked.

    The position, the version and the layout stay: also an outdated projection may lose rows. With
    the new generation, a projector that computed from the older rows loses its compare-and-set.
    """
    connection.execute(
        update(checkpoint)
        .where(checkpoint.c.projection == name)
        .values(generation=checkpoint.c.generation + 1, digest=digest)
    )


def set_error(connection: Connection, projection: Projection, error: str | None) -> None:
    """Set a projection aside with the error that stopped it; None lets it run again."""
    connection.execute(
        update(checkpoint).where(checkpoint.c.projection == projection.name).values(error=error)
    )


def delete_one(connection: Connection, name: str) -> None:
    """Delete the checkpoint of a projection or a shadow."""
    connection.execute(delete(checkpoint).where(checkpoint.c.projection == name))


def _initial(projection: Projection) -> Checkpoint:
    """Return the checkpoint of a projection that never ran."""
    return Checkpoint(
        projection.name, 0, projection.version, 0, digest.EMPTY, fingerprint(projection)
    )


def _if_missing(initial: Checkpoint) -> Checkpoint:
    """Return the checkpoint of a projection that has none stored.

    The table of another package's projection is created with its checkpoint, so it is missing too:
    the projection counts as set aside.
    """
    name = initial.projection
    if is_own(name) or name.endswith(SHADOW):
        return initial
    return evolve(initial, error="Its table is missing: run `projector migrate`.")


def _ensure(connection: Connection, initial: Checkpoint) -> None:
    """Insert a checkpoint if its projection has none.

    Of two transactions that insert the same one, the second waits for the first and keeps its row.
    """
    row = dialects.insert(connection, checkpoint).values(asdict(initial))
    connection.execute(row.on_conflict_do_nothing())
