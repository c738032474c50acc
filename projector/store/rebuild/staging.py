"""Stages the rows of shadows between the processes that fold and the tables.

On Postgres, each process writes directly to the tables. SQLite allows one writer at a time: there,
each process writes its part of the rows to a file of its own, and the files are then loaded into
the database one after another. Loading only copies rows, so it holds the write lock as briefly as
possible.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from projector.envelope import CustomerKey
from projector.errors import SpillUnwritable
from projector.projections.projection import Projection, Row, Values
from projector.store import bulk, digest, group_sizes, table_rows, tables
from projector.store.database import Database
from projector.store.group_sizes import Sizes
from projector.store.table_rows import Rows

# ruff: noqa: S608 - the names in these statements are those of our own tables


class StagingResult(NamedTuple):
    """The rows that a part adds to one shadow: their number and digest."""

    rows: int
    #: The change of the digest of all rows.
    digest: int
    #: The change of the sizes of groups.
    sizes: Sizes


def write(
    database: Database, shadows: Sequence[Projection], rows: Sequence[Rows], path: Path
) -> list[StagingResult]:
    """Write customers' rows, given for each shadow: to the tables, or on SQLite to a file.

    The file `path` must not exist. Returns a result for each shadow; raises SpillUnwritable if the
    file cannot be written.
    """
    values = [
        table_rows.as_values(each, _by_customer(some))
        for each, some in zip(shadows, rows, strict=True)
    ]
    if database.is_sqlite:
        try:
            _write_file(path, shadows, values)
        except sqlite3.Error as error:
            raise SpillUnwritable(path=path, reason=error) from error
    else:
        with database.writing() as connection:
            for each, some in zip(shadows, values, strict=True):
                bulk.insert_many(connection, tables.table_of(each), some)
    return [
        StagingResult(len(some), digest.of(some), group_sizes.changes(each, new=some))
        for each, some in zip(shadows, values, strict=True)
    ]


def load(database: Database, shadows: Sequence[Projection], path: Path) -> None:
    """Load the rows of a file into the shadows, in one transaction, and remove the file."""
    with database.connected() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("ATTACH DATABASE ? AS part", (str(path),))
        try:
            # No fsync here: the transaction of the swap makes everything durable.
            driver.execute("PRAGMA synchronous = NORMAL")
            with database.writing(connection):
                for each in shadows:
                    # `main`, because a connection that has not seen the shadow yet would take the
                    # table of the same name in the file for it.
                    connection.exec_driver_sql(
                        f"INSERT INTO main.{each.name} SELECT * FROM part.{each.name}"
                    )
        finally:
            # Restore durability first: other users of the pooled connection rely on it. After a
            # Ctrl-C the connection may be closed, which ProgrammingError means here.
            with suppress(sqlite3.ProgrammingError):
                driver.execute("PRAGMA synchronous = FULL")
                driver.execute("DETACH DATABASE part")
    path.unlink()


def _by_customer(rows: Rows) -> dict[CustomerKey, list[Row]]:
    """Sort rows by the primary key's customer, so that its index grows at its end: written once."""
    return dict(sorted(rows.items()))


def _write_file(
    path: Path, shadows: Sequence[Projection], values: Sequence[Sequence[Values]]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No journal and no fsync: after a crash the rebuild starts again and folds these rows anew.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for each, some in zip(shadows, values, strict=True):
            columns = list(tables.table_of(each).columns)
            names = ", ".join(column.name for column in columns)
            placeholders = ", ".join("?" * len(columns))
            # Columns without types have no affinity, so that SQLite stores values unconverted.
            connection.execute(f"CREATE TABLE {each.name} ({names})")
            if some:
                connection.executemany(
                    f"INSERT INTO {each.name} VALUES ({placeholders})",
                    bulk.to_sqlite_params(columns, some),
                )
        connection.execute("COMMIT")
