"""Creates and drops the tables of other packages' projections.

They are derived data, so they need no migration.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, inspect
from sqlalchemy.schema import CreateTable

from projector.errors import ProjectionInstalled, ProjectionUnknown, TableTaken
from projector.projections import discover, is_own
from projector.projections.projection import Projection
from projector.store import checkpoints, dead_letters, group_sizes, snapshots, statistics
from projector.store.row_tables import table_of

#: The error of a projection whose table's name was taken already. That table is never written to,
#: replaced or dropped.
_FOREIGN = "A table of this name exists already and was not created by the projector."


def missing(connection: Connection, projections: Iterable[Projection]) -> list[Projection]:
    """Return the projections of other packages that have no checkpoint yet."""
    known = checkpoints.names(connection)
    return [each for each in projections if not is_own(each.name) and each.name not in known]


def ensure(connection: Connection, projections: Iterable[Projection]) -> None:
    """Create the missing tables of other packages' projections, each with its checkpoint.

    An existing table without a checkpoint was created by another program: it is left alone, and the
    projection is set aside with an error. A table that was dropped is created anew; its new
    checkpoint is at position 0, so that the next run fills it from the beginning of the log.
    """
    existing = set(inspect(connection).get_table_names())
    known = checkpoints.names(connection)
    for each in projections:
        if is_own(each.name) or (each.name in existing and each.name in known):
            continue
        dead_letters.delete_all(connection, each.name)
        group_sizes.delete_all(connection, each.name)
        snapshots.forget(connection, each.name)
        checkpoints.delete_one(connection, each.name)
        checkpoints.create(connection, each)
        if each.name in existing:
            checkpoints.set_error(connection, each, _FOREIGN)
        else:
            connection.execute(CreateTable(table_of(each)))
            statistics.leave_out_texts(connection, each)


def is_foreign(connection: Connection, name: str) -> bool:
    """Return whether another program's table has the name of a projection."""
    stored = checkpoints.read_one(connection, name)
    return stored is not None and stored.error == _FOREIGN


def require_own_tables(connection: Connection, projections: Iterable[Projection]) -> None:
    """Raise TableTaken for a projection whose name another program's table has."""
    for name, stored in checkpoints.read(connection, projections).items():
        if stored.error == _FOREIGN:
            raise TableTaken(projection=name)


def existing(connection: Connection) -> list[str]:
    """Return the tables of all projections, also of those that are no longer installed."""
    tables = set(inspect(connection).get_table_names())
    return [
        name
        for name in checkpoints.names(connection)
        if name in tables and not is_foreign(connection, name)
    ]


def drop(connection: Connection, name: str) -> None:
    """Drop the table of a projection that is no longer installed, and all that is kept of it.

    A table that another program created stays. Raises ProjectionInstalled, or ProjectionUnknown.
    """
    if any(each.name == name for each in discover()):
        raise ProjectionInstalled(name=name)
    candidates = [each for each in checkpoints.names(connection) if not is_own(each)]
    if name not in candidates:
        raise ProjectionUnknown(name=name, known=", ".join(candidates) or "none")
    if not is_foreign(connection, name) and inspect(connection).has_table(name):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    dead_letters.delete_all(connection, name)
    group_sizes.delete_all(connection, name)
    snapshots.forget(connection, name)
    checkpoints.delete_one(connection, name)
