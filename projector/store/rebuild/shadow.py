"""Tables that a rebuild fills beside the live ones, to take their place in the end.

A shadow is a projection like any other, with a table, a checkpoint and dead letters of its own,
under a name of its own. So it is brought up to date by the same projector as a live one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from attrs import evolve
from sqlalchemy import Connection, UniqueConstraint, delete, func, inspect, literal, select
from sqlalchemy.schema import CreateTable

from projector.errors import RebuildRunning
from projector.projections.projection import Projection
from projector.store import dead_letters, tables
from projector.store.database import Database
from projector.store.tables import SHADOW, checkpoint

#: The ending of the name of a table that a shadow has replaced, until it is dropped.
REPLACED = "_replaced"

#: How long to wait for a server to notice that a rebuild was killed, in seconds.
LOCK_SECONDS_MAX = 2.0

#: Any number that no other program uses as an advisory lock on the same database.
_REBUILD_LOCK = 7_270_853_175


@cache
def of(projection: Projection) -> Projection:
    """The shadow of a projection; the same one every time."""
    return evolve(projection, name=projection.name + SHADOW)


@contextmanager
def lock(database: Database) -> Iterator[Callable[[], None]]:
    """Keep other rebuilds of the database out, whatever machine they run on.

    Raises RebuildRunning. The lock goes with the connection, if the process is killed. Gives a
    function that raises where the connection, and so the lock, is gone before its time. SQLite is
    a matter of one machine: there a lock in the file system does that.
    """
    if database.is_sqlite:
        yield lambda: None
        return
    with database.connected() as connection:
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while not connection.execute(select(func.pg_try_advisory_lock(_REBUILD_LOCK))).scalar_one():
            if time.monotonic() > deadline:
                raise RebuildRunning(url=database)
            time.sleep(0.05)
        # Nothing else is done here, and no snapshot is held.
        connection.commit()

        def check() -> None:
            connection.execute(select(literal(1)))
            connection.commit()

        try:
            yield check
        finally:
            if not connection.invalidated:
                connection.execute(select(func.pg_advisory_unlock(_REBUILD_LOCK)))


def lock_tables(connection: Connection, projections: Iterable[Projection], *, ms: int) -> None:
    """Let nobody read or write live tables until the transaction ends, which should be soon.

    Waits so many milliseconds for those who do; raises DatabaseBusy. Meanwhile others wait behind
    this, so it must not be long. SQLite's readers see the state of when they began, whatever comes.
    """
    if connection.dialect.name == "sqlite":
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {ms}")
    for name in ("checkpoint", *sorted(each.name for each in projections)):
        connection.exec_driver_sql(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")


def find_leftovers(connection: Connection, projections: Iterable[Projection]) -> list[str]:
    """The tables that a rebuild made and did not live to remove."""
    there = set(inspect(connection).get_table_names())
    names = (each.name + ending for each in projections for ending in (SHADOW, REPLACED))
    return [name for name in names if name in there]


def drop(connection: Connection, projections: Iterable[Projection]) -> None:
    """Remove the shadows of projections and all that belongs to them, as far as it is there."""
    names = [projection.name + SHADOW for projection in projections]
    for name in find_leftovers(connection, projections):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    for name in names:
        dead_letters.delete_all(connection, name)
    connection.execute(delete(checkpoint).where(checkpoint.c.projection.in_(names)))


def create(connection: Connection, shadow: Projection) -> None:
    """An empty table like the live one; on Postgres without its constraints, see `finish`."""
    if connection.dialect.name == "sqlite":
        connection.execute(CreateTable(tables.table_of(shadow)))
    else:
        connection.exec_driver_sql(f"CREATE TABLE {shadow.name} (LIKE {live_name(shadow)})")


def add_constraints(connection: Connection, shadow: Projection) -> None:
    """Make the constraints of a table that is filled: faster than to keep them while it is.

    SQLite cannot add constraints to a table. There rows come in the order of the primary key, so
    that its index, and within each of its values the others, grow at their ends.
    """
    if connection.dialect.name == "sqlite":
        return
    for name, kind, columns in _constraints(shadow):
        connection.exec_driver_sql(
            f"ALTER TABLE {shadow.name} ADD CONSTRAINT {name}{SHADOW} {kind} ({columns})"
        )
    # Until somebody looks, the planner takes a new table for a small one.
    connection.exec_driver_sql(f"ANALYZE {shadow.name}")


def count_rows(connection: Connection, projection: Projection) -> int:
    """How many rows there are."""
    return int(
        connection.execute(
            select(func.count()).select_from(tables.table_of(projection))
        ).scalar_one()
    )


def live_name(shadow: Projection) -> str:
    """The name of the projection whose shadow it is."""
    return shadow.name.removesuffix(SHADOW)


def constraints(shadow: Projection) -> list[str]:
    """The live names of the constraints that have an index, the primary key's first."""
    return [name for name, _, _ in _constraints(shadow)]


def _constraints(shadow: Projection) -> Sequence[tuple[str, str, str]]:
    """Name, kind and columns of each constraint that has an index."""
    table = tables.table_of(shadow)
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    return [
        (str(each.name), kind, ", ".join(column.name for column in each.columns))
        for each, kind in (
            (table.primary_key, "PRIMARY KEY"),
            *((each, "UNIQUE") for each in unique),
        )
    ]
