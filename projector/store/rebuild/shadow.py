"""Manages shadow tables, which a rebuild fills beside the live ones and then swaps in.

A shadow is a projection like any other, with its own name, table, checkpoint and dead letters. So
the runner that keeps live tables up to date also keeps shadows up to date.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    Table,
    UniqueConstraint,
    delete,
    func,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable

from projector.errors import RebuildRunning
from projector.projections.projection import Projection
from projector.projections.rebuilding import REPLACED, SHADOW, Rebuilding
from projector.store import dead_letters, group_sizes, snapshots, statistics
from projector.store.database import Database
from projector.store.row_tables import table_of
from projector.store.tables import checkpoint

#: The wait for the rebuild lock, in seconds: a server needs a moment to notice that the process of
#: a rebuild was killed.
LOCK_SECONDS_MAX = 2.0

#: The key of the advisory lock: any number that no other program uses on the same database.
_REBUILD_LOCK = 7_270_853_175
_TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({_REBUILD_LOCK})"


@contextmanager
def lock(database: Database) -> Iterator[Callable[[], None]]:
    """Lock the database against other rebuilds, on any machine; raises RebuildRunning.

    Yields a function that raises the database's error if the connection, and with it the lock, was
    lost. The lock is an advisory lock of Postgres that belongs to a transaction, because a session
    behind a pooler belongs to several clients. It is released with the connection if the process
    is killed. For SQLite, whose file belongs to one machine, this does nothing: a lock file does
    the same there.
    """
    if database.is_sqlite:
        yield lambda: None
        return
    with database.connected() as connection:
        # At this level a transaction that does nothing has no snapshot, so that it does not hold
        # back vacuum, however long the rebuild takes. Nor may its statements have parameters: the
        # portal of such a one, and with it a snapshot, stays open until the next statement.
        connection.execution_options(isolation_level="READ COMMITTED")
        _lift_idle_timeouts(connection)
        deadline = time.monotonic() + LOCK_SECONDS_MAX
        while not connection.exec_driver_sql(_TRY_LOCK).scalar_one():
            if time.monotonic() > deadline:
                raise RebuildRunning(url=database)
            time.sleep(0.05)
        try:
            yield lambda: _ping(connection)
        finally:
            # The rebuild is done, or has failed: a lost connection changes neither.
            with suppress(DBAPIError):
                connection.rollback()


def _lift_idle_timeouts(connection: Connection) -> None:
    """Let the present transaction be idle without limit."""
    connection.exec_driver_sql(
        "SELECT set_config(name, '0', true) FROM pg_settings"
        " WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')"
    )


def _ping(connection: Connection) -> None:
    connection.exec_driver_sql("SELECT 1")


def lock_tables(connection: Connection, projections: Iterable[Projection], *, ms: int) -> None:
    """Lock live tables against readers and writers until the transaction ends; only on Postgres.

    Waits at most `ms` milliseconds for other transactions, then raises DatabaseBusy. New
    transactions queue behind a waiting request, so `ms` must be short. SQLite needs no lock,
    because its readers keep their snapshot.
    """
    if connection.dialect.name == "sqlite":
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {ms}")
    for name in ("checkpoint", *sorted(each.name for each in projections)):
        connection.exec_driver_sql(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")


def find_leftovers(connection: Connection, projections: Iterable[Projection]) -> list[str]:
    """Return the names of the tables that a killed rebuild left behind."""
    existing = set(inspect(connection).get_table_names())
    names = (each.name + suffix for each in projections for suffix in (SHADOW, REPLACED))
    return [name for name in names if name in existing]


def drop(connection: Connection, projections: Iterable[Projection]) -> None:
    """Drop the shadows of projections with all that is kept of them, if they exist."""
    names = [projection.name + SHADOW for projection in projections]
    for name in find_leftovers(connection, projections):
        connection.exec_driver_sql(f"DROP TABLE {name}")
    for name in names:
        dead_letters.delete_all(connection, name)
        group_sizes.delete_all(connection, name)
        snapshots.forget(connection, name)
    connection.execute(delete(checkpoint).where(checkpoint.c.projection.in_(names)))


def create(connection: Connection, pair: Rebuilding, *, has_new_layout: bool = False) -> None:
    """Create an empty shadow; on Postgres without constraints, which `add_constraints` adds later.

    On Postgres the shadow is created LIKE the live table, unless it has a new layout, so that it
    inherits the names of the NOT NULL constraints.
    """
    table = table_of(pair.shadow)
    if connection.dialect.name == "sqlite":
        connection.execute(CreateTable(table))
    elif has_new_layout:
        columns = (Column(each.name, each.type, nullable=each.nullable) for each in table.columns)
        connection.execute(CreateTable(Table(table.name, MetaData(), *columns)))
    else:
        connection.exec_driver_sql(f"CREATE TABLE {table.name} (LIKE {pair.live.name})")
    statistics.leave_out_texts(connection, pair.shadow)


def add_constraints(connection: Connection, shadow: Projection) -> None:
    """Add the constraints to a filled table, which is faster than maintaining them meanwhile.

    SQLite cannot add constraints to a table. There, rows are inserted in the order of the primary
    key, so that its index, and within each of its values the others, grow at their ends.
    """
    if connection.dialect.name == "sqlite":
        return
    for name, kind, columns in _constraints(shadow):
        connection.exec_driver_sql(
            f"ALTER TABLE {shadow.name} ADD CONSTRAINT {name}{SHADOW} {kind} ({columns})"
        )
    # Without statistics the planner would assume that the new table is small.
    connection.exec_driver_sql(f"ANALYZE {shadow.name}")


def count_rows(connection: Connection, projection: Projection) -> int:
    """Count the rows of a projection's table."""
    statement = select(func.count()).select_from(table_of(projection))
    return int(connection.execute(statement).scalar_one())


def constraints(shadow: Projection) -> list[str]:
    """Return the live table's names of the constraints with an index, the primary key first."""
    return [name for name, _, _ in _constraints(shadow)]


def _constraints(shadow: Projection) -> Sequence[tuple[str, str, str]]:
    """Return (name, kind, columns) of each constraint with an index, the primary key first."""
    table = table_of(shadow)
    unique = [each for each in table.constraints if isinstance(each, UniqueConstraint)]
    return [
        (str(each.name), kind, ", ".join(column.name for column in each.columns))
        for each, kind in (
            (table.primary_key, "PRIMARY KEY"),
            *((each, "UNIQUE") for each in unique),
        )
    ]
