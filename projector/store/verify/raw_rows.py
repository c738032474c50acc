"""Rows as they are stored, to the character, and as they should be: what a check compares.

Values are not read as what they mean, for many a wrong one would then look right (a membership of
2 is true) or could not be read at all. Both sides are in SQLite's form: instants are text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    Select,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import NullType

from projector.errors import RowsUnreadable
from projector.projections.projection import Projection, Values
from projector.store import bulk, tables
from projector.store.predicates import among, same_customer
from projector.store.tables import stream
from projector.store.types import Instant


def expected(projection: Projection, values: Sequence[Values]) -> list[Values]:
    """The tuples of a table as they would be stored."""
    return bulk.bound(list(tables.table_of(projection).columns), values) if values else []


def holds(
    connection: Connection,
    projection: Projection,
    stream_ids: Sequence[int],
    values: Sequence[Values],
) -> bool:
    """Whether the customers of some streams have just the rows that they should have.

    Quick, and a yes is certain; what differs is told by `of_streams`. Postgres, whose types are
    strict, is asked for values and not for their text.
    """
    if connection.dialect.name == "sqlite":
        values, shown = expected(projection, values), _stored(connection, projection)
    else:
        shown = select(tables.table_of(projection))
    try:
        rows = connection.execute(_owned(shown, connection, projection, stream_ids)).all()
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
        return False
    return len(rows) == len(values) and {*map(tuple, rows)} == {*values}


def is_unreadable(error: BaseException | None) -> bool:
    """Whether a driver could not read a value that its database keeps; no server said a word."""
    is_text = isinstance(error, sqlite3.OperationalError) and "Could not decode" in str(error)
    return is_text or (type(error).__name__ == "DataError" and not getattr(error, "sqlstate", 1))


@contextmanager
def readable(projection: str) -> Iterator[None]:
    """While rows are read as what they mean: raises RowsUnreadable where one means nothing.

    On Postgres the types are strict; on SQLite anybody can write anything into a column.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise RowsUnreadable(projection=projection, reason=error) from error
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
        raise RowsUnreadable(projection=projection, reason=error.orig) from error


def of_streams(
    connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> list[Values]:
    """The stored rows of the customers of some streams."""
    statement = _owned(_stored(connection, projection), connection, projection, stream_ids)
    with any_text(connection):
        return [tuple(row) for row in connection.execute(statement)]


def of_nobody(connection: Connection, projection: Projection) -> Iterator[Values]:
    """The stored rows of customers who have no stream."""
    table = tables.table_of(projection)
    owner = exists().where(same_customer(table, stream))
    statement = _stored(connection, projection).where(~owner).execution_options(yield_per=1000)
    with any_text(connection), connection.execute(statement) as rows:
        yield from map(tuple, rows)


def _owned(
    shown: Select[Any], connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> Select[Any]:
    """Rows of the customers of some streams."""
    table = tables.table_of(projection)
    return shown.select_from(stream.join(table, same_customer(table, stream))).where(
        among(connection, stream.c.stream_id, stream_ids)
    )


def _stored(connection: Connection, projection: Projection) -> Select[Any]:
    columns = tables.table_of(projection).columns
    return select(*(as_stored(connection, column) for column in columns))


def as_stored(connection: Connection, column: Column[Any]) -> ColumnElement[Any]:
    """A column to be read as it is stored."""
    if connection.dialect.name == "sqlite":
        return type_coerce(column, NullType()).label(column.name)
    return _as_text(column)


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    """On Postgres: an instant or a date in SQLite's form, or in its own where Python has none."""
    if isinstance(column.type, Instant):
        form = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    elif isinstance(column.type, Date):
        form = "YYYY-MM-DD"
    else:
        return column
    known = and_(column >= text("'0001-01-01'"), column < text("'infinity'"))
    written = case((known, func.to_char(column, form)), else_=cast(column, Text))
    return written.label(column.name)


@contextmanager
def any_text(connection: Connection) -> Iterator[None]:
    """Read text on SQLite also where it is not UTF-8: as bytes, which no text is equal to."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    driver.text_factory = _text_or_bytes
    try:
        yield
    finally:
        driver.text_factory = str


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw
