"""Rows of shadows on their way from whoever folded them into the tables.

On Postgres they go there at once. SQLite has one writer at a time: there each part of the rows is
put into a file of its own, by any process, and the files are poured into the database one after the
other. That is copying and nothing more, so that the lock is held as shortly as can be.
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
from projector.store import bulk, digest, table_rows, tables
from projector.store.database import Database
from projector.store.table_rows import Rows

# ruff: noqa: S608 - the names in these statements are those of our own tables


class StagingResult(NamedTuple):
    """What a part adds to one shadow."""

    rows: int
    #: What they add to the digest of all rows.
    digest: int


def write(
    database: Database, shadows: Sequence[Projection], rows: Sequence[Rows], path: Path
) -> list[StagingResult]:
    """Put the rows of some customers down, for each shadow; `path` is of a file to be made."""
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
    return [StagingResult(len(some), digest.of(some)) for some in values]


def load(database: Database, shadows: Sequence[Projection], path: Path) -> None:
    """Take the rows of a file into the database, in one transaction, and remove the file."""
    with database.connected() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("ATTACH DATABASE ? AS part", (str(path),))
        try:
            # Whoever put them down in the end makes all of it durable: see `swap`.
            driver.execute("PRAGMA synchronous = NORMAL")
            with database.writing(connection):
                for each in shadows:
                    connection.exec_driver_sql(
                        f"INSERT INTO {each.name} SELECT * FROM part.{each.name}"
                    )
        finally:
            # First what others rely on, who get the connection next; Ctrl-C has closed it.
            with suppress(sqlite3.ProgrammingError):
                driver.execute("PRAGMA synchronous = FULL")
                driver.execute("DETACH DATABASE part")
    path.unlink()


def _by_customer(rows: Rows) -> dict[CustomerKey, list[Row]]:
    """In the order of the primary key: an index that grows at its end is written once."""
    return dict(sorted(rows.items()))


def _write_file(
    path: Path, shadows: Sequence[Projection], values: Sequence[Sequence[Values]]
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # What is lost with the machine is folded again.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for each, some in zip(shadows, values, strict=True):
            columns = list(tables.table_of(each).columns)
            names, by_projection = (
                ", ".join(each.name for each in columns),
                ", ".join("?" * len(columns)),
            )
            # Without types, so that what goes in comes out.
            connection.execute(f"CREATE TABLE {each.name} ({names})")
            if some:
                connection.executemany(
                    f"INSERT INTO {each.name} VALUES ({by_projection})",
                    bulk.to_sqlite_params(columns, some),
                )
        connection.execute("COMMIT")
