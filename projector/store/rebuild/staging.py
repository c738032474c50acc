"""Stages the rows of shadows between the processes that fold and the tables.

On Postgres, each process writes directly to the tables. SQLite allows one writer at a time: there,
each process writes its part of the rows to a file of its own, and the files are then loaded into
the database one after another. A process that does not reach the database writes a file in either
case. A file has the rows in the form in which its database takes them, so loading only copies them:
it holds the write lock of SQLite as briefly as possible.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from shutil import copyfileobj
from typing import Any, BinaryIO, NamedTuple
from zipfile import ZipFile

from projector.envelope import CustomerKey
from projector.errors import SpillUnwritable
from projector.projections.projection import Projection, Row, Values
from projector.store import bulk, digest, group_sizes, row_tables, table_rows
from projector.store.database import Database
from projector.store.group_sizes import GroupDay, Size
from projector.store.table_rows import Rows

# ruff: noqa: S608 - the names in these statements are those of our own tables


#: A function that inserts rows into the table of a shadow, or into a file.
_Insert = Callable[[Projection, list[Values]], None]

#: The place of rows until they are loaded: entered once, and complete when it is left.
Sink = AbstractContextManager[_Insert]

#: The size of the pieces in which a file is read, in bytes.
_PIECE_BYTES = 1024 * 1024


class StagingResult(NamedTuple):
    """The rows that a part adds to one shadow: their number and digest."""

    rows: int
    #: The change of the digest of all rows.
    digest: int
    #: The change of the sizes of groups.
    sizes: dict[GroupDay, Size]


def sink_for(database: Database, shadows: Sequence[Projection], path: Path) -> Sink:
    """Return the sink of a process that reaches the database: the tables, or on SQLite a file."""
    return _to_file(path, shadows) if database.is_sqlite else _to_tables(database, shadows)


def file_for(shadows: Sequence[Projection], path: Path, *, is_sqlite: bool) -> Sink:
    """Return the sink of a process that does not reach the database: a file for `load`."""
    return _to_file(path, shadows) if is_sqlite else _to_copy_file(path, shadows)


def write(
    sink: Sink, shadows: Sequence[Projection], parts: Iterable[Sequence[Rows]]
) -> list[StagingResult]:
    """Write customers' rows to a sink.

    A part has the rows of some customers for each shadow. Parts are converted and written one after
    another, because rows that were made just now are still in the processor's cache. Returns a
    result for each shadow; raises SpillUnwritable if a file cannot be written.
    """
    results = [StagingResult(0, 0, {}) for _ in shadows]
    with sink as insert:
        for part in parts:
            for index, (each, rows) in enumerate(zip(shadows, part, strict=True)):
                values = table_rows.as_values(each, _by_customer(rows))
                insert(each, values)
                before = results[index]
                group_sizes.merge(before.sizes, group_sizes.changes(each, new=values))
                results[index] = StagingResult(
                    before.rows + len(values), before.digest + digest.of(values), before.sizes
                )
    return results


def load(database: Database, shadows: Sequence[Projection], path: Path) -> None:
    """Load the rows of a file into the shadows, in one transaction, and remove the file."""
    if database.is_sqlite:
        _load_attached(database, shadows, path)
    else:
        _load_copies(database, shadows, path)
    path.unlink()


def _load_attached(database: Database, shadows: Sequence[Projection], path: Path) -> None:
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


def _load_copies(database: Database, shadows: Sequence[Projection], path: Path) -> None:
    with ZipFile(path) as file, database.writing() as connection:
        for each in shadows:
            table = row_tables.table_of(each)
            with file.open(each.name) as rows:
                pieces = iter(partial(rows.read, _PIECE_BYTES), b"")
                bulk.copy_encoded(connection, table.name, list(table.columns), pieces)


def _by_customer(rows: Rows) -> dict[CustomerKey, list[Row]]:
    """Sort rows by the primary key's customer, so that its index grows at its end: written once."""
    return dict(sorted(rows.items()))


@contextmanager
def _to_tables(database: Database, shadows: Sequence[Projection]) -> Iterator[_Insert]:
    """Collect encoded rows, and insert them at the end: in one COPY for each table."""
    collected = _Encoded(shadows)
    yield collected.add
    with database.writing() as connection:
        for each in shadows:
            table = row_tables.table_of(each)
            bulk.copy_encoded(connection, table.name, list(table.columns), collected.of(each))


@contextmanager
def _to_copy_file(path: Path, shadows: Sequence[Projection]) -> Iterator[_Insert]:
    """Create a file with a member for each table, uncompressed.

    Rows go to a file for each table as they come, and are put together at the end.
    """
    with _writing(path), ExitStack() as stack:
        parts = {
            each.name: stack.enter_context(path.with_name(f"{path.name}.{each.name}").open("w+b"))
            for each in shadows
        }
        yield lambda shadow, values: _append_encoded(parts[shadow.name], shadow, values)
        with ZipFile(path, "w") as file:
            for name, part in parts.items():
                part.seek(0)
                with file.open(name, "w", force_zip64=True) as member:
                    copyfileobj(part, member, _PIECE_BYTES)


def _append_encoded(file: BinaryIO, shadow: Projection, values: list[Values]) -> None:
    file.write(bulk.encode_rows(list(row_tables.table_of(shadow).columns), values))


class _Encoded:
    """The rows of each shadow, encoded for a COPY as they come, which takes the least memory."""

    def __init__(self, shadows: Sequence[Projection]) -> None:
        self._parts: dict[str, list[bytes]] = {each.name: [] for each in shadows}

    def add(self, shadow: Projection, values: list[Values]) -> None:
        """Add rows of a shadow."""
        columns = list(row_tables.table_of(shadow).columns)
        self._parts[shadow.name].append(bulk.encode_rows(columns, values))

    def of(self, shadow: Projection) -> list[bytes]:
        """Return the rows of a shadow."""
        return self._parts[shadow.name]


@contextmanager
def _to_file(path: Path, shadows: Sequence[Projection]) -> Iterator[_Insert]:
    """Create a file with a table for each shadow, and insert rows as they come."""
    with _writing(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No journal and no fsync: after a crash the rebuild starts again and folds these rows anew.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for each in shadows:
            # Columns without types have no affinity, so that SQLite stores values unconverted.
            names = ", ".join(column.name for column in row_tables.table_of(each).columns)
            connection.execute(f"CREATE TABLE {each.name} ({names})")
        yield partial(_insert_into_file, connection)
        connection.execute("COMMIT")


def _insert_into_file(
    connection: sqlite3.Connection, shadow: Projection, values: list[Values]
) -> None:
    if values:
        columns = list(row_tables.table_of(shadow).columns)
        placeholders = ", ".join("?" * len(columns))
        connection.executemany(
            f"INSERT INTO {shadow.name} VALUES ({placeholders})",
            bulk.to_sqlite_params(columns, values),
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Translate an error of a file's connection into SpillUnwritable."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise SpillUnwritable(path=path, reason=error) from error
