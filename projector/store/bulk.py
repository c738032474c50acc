"""Writes many rows at once: executemany on SQLite; on Postgres COPY for many new rows, else arrays.

Rows are tuples in the order of the table's columns. SQLAlchemy compiles the statements and knows
the types, but rows bypass its work per row, which would cost more than the insert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, repeat
from struct import Struct
from typing import Any

from sqlalchemy import Boolean, Column, Connection, Table, insert
from sqlalchemy.dialects import registry
from sqlalchemy.engine import Dialect

from projector.projections.projection import Values
from projector.store.binary_arrays import encode_array, encode_elements
from projector.store.types import Instant, all_to_sqlite

# ruff: noqa: S608 - the names in these statements are those of our own tables


#: The number of rows up to which Postgres gets one statement with arrays instead of a COPY. A COPY
#: takes several round trips; if the client is suspended (SIGSTOP) during one, the server waits for
#: it until the client ends, and keeps its locks.
FEW_ROWS_MAX = 300

#: The parts of a COPY in the binary format: what stands before the rows (a signature, no flags, no
#: extension), before the fields of each row (their number), and after all rows.
_COPY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_FIELDS = Struct("!h").pack
_COPY_TRAILER = _FIELDS(-1)

#: The number of rows in a statement with arrays, if there are more: a statement may have 1 GB.
PIECE_ROWS_MAX = 500


def insert_many(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows; a primary key that exists already is an integrity error."""
    if not rows:
        return
    if _is_sqlite(connection):
        connection.exec_driver_sql(
            sqlite_insert(table), to_sqlite_params(list(table.columns), rows)
        )
    elif len(rows) <= FEW_ROWS_MAX:
        _insert_few(connection, table, rows, "")
    else:
        _copy(connection, table.name, list(table.columns), rows)


def upsert_many(connection: Connection, table: Table, rows: Sequence[Values]) -> None:
    """Insert rows; replace those that have the same primary key (upsert)."""
    upsert_many_by(connection, table, rows, on_conflict(table))


def add_many(
    connection: Connection, table: Table, rows: Sequence[Values], names: tuple[str, ...]
) -> None:
    """Insert rows; to those with the same primary key, add the values of the columns `names`."""
    upsert_many_by(connection, table, rows, on_conflict_add(table, names))


def upsert_many_by(
    connection: Connection, table: Table, rows: Sequence[Values], on_conflict: str
) -> None:
    """Insert rows; the clause `on_conflict` says what becomes of one with the same primary key."""
    if not rows:
        return
    if _is_sqlite(connection):
        statement = f"{sqlite_insert(table)} {on_conflict}"
        connection.exec_driver_sql(statement, to_sqlite_params(list(table.columns), rows))
        return
    for some in _pieces(rows):
        _insert_few(connection, table, some, on_conflict)


def update_many(
    connection: Connection, table: Table, names: Sequence[str], rows: Sequence[Values]
) -> None:
    """Set the columns `names` of existing rows.

    Each tuple of `rows` has the values of these columns, then those of the primary key.
    """
    if not rows:
        return
    keys = [column.name for column in table.primary_key]
    sets, where = ", ".join(f"{name} = ?" for name in names), " AND ".join(f"{k} = ?" for k in keys)
    columns = [table.c[name] for name in (*names, *keys)]
    if _is_sqlite(connection):
        statement = f"UPDATE {table.name} SET {sets} WHERE {where}"
        connection.exec_driver_sql(statement, to_sqlite_params(columns, rows))
        return
    arrays = ", ".join(
        f"{array} AS {column.name}" for array, column in zip(_arrays(columns), columns, strict=True)
    )
    sets = ", ".join(f"{name} = incoming.{name}" for name in names)
    where = " AND ".join(f"{table.name}.{key} = incoming.{key}" for key in keys)
    statement = f"UPDATE {table.name} SET {sets} FROM (SELECT {arrays}) AS incoming WHERE {where}"
    for some in _pieces(rows):
        connection.exec_driver_sql(statement, to_postgres_params(columns, some))


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


@cache
def on_conflict(table: Table) -> str:
    """Return the clause that replaces a row with the same primary key (upsert)."""
    keys = [column.name for column in table.primary_key]
    others = [name for name in _names(table) if name not in keys]
    return _on_conflict_set(table, ", ".join(f"{name} = excluded.{name}" for name in others))


@cache
def on_conflict_add(table: Table, names: tuple[str, ...]) -> str:
    """Return the clause that adds the values of some columns to a row with the same primary key."""
    sums = (f"{name} = {table.name}.{name} + excluded.{name}" for name in names)
    return _on_conflict_set(table, ", ".join(sums))


def _on_conflict_set(table: Table, sets: str) -> str:
    keys = ", ".join(column.name for column in table.primary_key)
    return f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"


@cache
def sqlite_insert(table: Table) -> str:
    """Return SQLite's statement that inserts a row."""
    return str(insert(table).compile(dialect=_dialect("sqlite")))


def to_sqlite_params(columns: Sequence[Column[Any]], rows: Sequence[Values]) -> list[Values]:
    """Convert rows to the values that SQLite's driver takes; column by column, which is faster."""
    values: list[Any] = list(zip(*rows, strict=True))
    for index, column in enumerate(columns):
        if isinstance(column.type, Instant):
            values[index] = all_to_sqlite(values[index])
        elif binder := _sqlite_binder(column):
            values[index] = map(binder, values[index])
    return list(zip(*values, strict=True))


@cache
def _sqlite_binder(column: Column[Any]) -> Callable[[Any], Any] | None:
    """Return the function that converts a column's values for the driver; None if none is needed.

    A bool needs none: SQLAlchemy's processor would only check each one, and the driver stores it
    as 0 or 1.
    """
    if isinstance(column.type, Boolean):
        return None
    dialect = _dialect("sqlite")
    return column.type.dialect_impl(dialect).bind_processor(dialect)


@cache
def _dialect(name: str) -> Dialect:
    """Return a dialect, which is imported when it is first used."""
    dialect: Dialect = registry.load(name)()
    return dialect


_POSTGRES_TYPES = {
    "TEXT": "text",
    "BIGINT": "int8",
    "INTEGER": "int4",
    "BOOLEAN": "bool",
    "DATE": "date",
    "BYTEA": "bytea",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}


@cache
def _postgres_type(column: Column[Any]) -> str:
    name = column.type.compile(_dialect("postgresql"))
    return _POSTGRES_TYPES[name.partition(" COLLATE")[0]]


def _insert_few(
    connection: Connection, table: Table, rows: Sequence[Values], on_conflict: str
) -> None:
    params = to_postgres_params(list(table.columns), rows)
    connection.exec_driver_sql(f"{postgres_insert(table)} {on_conflict}", params)


@cache
def postgres_insert(table: Table) -> str:
    """Return Postgres's statement that inserts rows: a parameter for each column, an array."""
    names, arrays = ", ".join(_names(table)), ", ".join(_arrays(list(table.columns)))
    return f"INSERT INTO {table.name} ({names}) SELECT {arrays}"


def _pieces(rows: Sequence[Values]) -> Iterator[Sequence[Values]]:
    """Cut rows into the pieces that are sent in one statement each.

    COPY supports neither ON CONFLICT nor UPDATE. It could fill a temporary table first, but that
    took longer up to some thousand rows, needs a right (TEMP), and a session that outlives the
    transaction.
    """
    for start in range(0, len(rows), PIECE_ROWS_MAX):
        yield rows[start : start + PIECE_ROWS_MAX]


def _arrays(columns: Sequence[Column[Any]]) -> list[str]:
    """Return array parameters, unnested: one for each column, with the values of all rows.

    In the driver's binary format (`%b`): as text a body of 1 KB took 100 µs to write and to read.
    They belong into a SELECT list, which streams the rows; in FROM, `unnest` stores them first.
    """
    return [f"unnest(%b::{_postgres_type(column)}[])" for column in columns]


def to_postgres_params(columns: Sequence[Column[Any]], rows: Sequence[Values]) -> Values:
    """Convert rows to the arrays that `postgres_insert` takes: one for each column."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    types = map(_postgres_type, columns)
    return tuple(map(encode_array, types, values))


def _copy(
    connection: Connection, target: str, columns: Sequence[Column[Any]], rows: Sequence[Values]
) -> None:
    copy_encoded(connection, target, columns, [encode_rows(columns, rows)])


def encode_rows(columns: Sequence[Column[Any]], rows: Sequence[Values]) -> bytes:
    """Encode rows for a COPY in the binary format, column by column; see `copy_encoded`."""
    values = zip(*rows, strict=True) if rows else [()] * len(columns)
    fields = map(encode_elements, map(_postgres_type, columns), values)
    return b"".join(chain.from_iterable(zip(repeat(_FIELDS(len(columns))), *fields, strict=False)))


def copy_encoded(
    connection: Connection, target: str, columns: Sequence[Column[Any]], parts: Iterable[bytes]
) -> None:
    """Insert rows that `encode_rows` has encoded, cut anywhere, by one COPY; only on Postgres."""
    driver: Any = connection.connection.driver_connection
    names = ", ".join(column.name for column in columns)
    statement = f"COPY {target} ({names}) FROM STDIN (FORMAT BINARY)"
    with driver.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(_COPY_HEADER)
        for part in parts:
            copy.write(part)
        copy.write(_COPY_TRAILER)
