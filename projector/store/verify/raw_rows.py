"""Rows as they are stored, to the character, and as they should be: what a check compares.

Values are not read as what they mean, for many a wrong one would then look right (a membership of
2 is true) or could not be read at all. Both sides are in SQLite's form: instants are text.
"""

from __future__ import annotations

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

from projector.projections.projection import Projection, Values
from projector.store import bulk, tables
from projector.store.predicates import in_values, same_customer
from projector.store.read_errors import is_unreadable
from projector.store.tables import stream
from projector.store.types import Instant


def to_stored(projection: Projection, values: Sequence[Values]) -> list[Values]:
    """The tuples of a table as they would be stored."""
    return (
        bulk.to_sqlite_params(list(tables.table_of(projection).columns), values) if values else []
    )


def matches(
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
        values, shown = to_stored(projection, values), _select_raw(connection, projection)
    else:
        shown = select(tables.table_of(projection))
    try:
        rows = connection.execute(_of_streams(shown, connection, projection, stream_ids)).all()
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
        return False
    return len(rows) == len(values) and {*map(tuple, rows)} == {*values}


def read_streams(
    connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> list[Values]:
    """The stored rows of the customers of some streams."""
    statement = _of_streams(_select_raw(connection, projection), connection, projection, stream_ids)
    with tolerate_invalid_text(connection):
        return [tuple(row) for row in connection.execute(statement)]


def read_without_stream(connection: Connection, projection: Projection) -> Iterator[Values]:
    """The stored rows of customers who have no stream."""
    table = tables.table_of(projection)
    owner = exists().where(same_customer(table, stream))
    statement = _select_raw(connection, projection).where(~owner).execution_options(yield_per=1000)
    with tolerate_invalid_text(connection), connection.execute(statement) as rows:
        yield from map(tuple, rows)


def _of_streams(
    shown: Select[Any], connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> Select[Any]:
    """Rows of the customers of some streams."""
    table = tables.table_of(projection)
    return shown.select_from(stream.join(table, same_customer(table, stream))).where(
        in_values(connection, stream.c.stream_id, stream_ids)
    )


def _select_raw(connection: Connection, projection: Projection) -> Select[Any]:
    columns = tables.table_of(projection).columns
    return select(*(raw_column(connection, column) for column in columns))


def raw_column(connection: Connection, column: Column[Any]) -> ColumnElement[Any]:
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
def tolerate_invalid_text(connection: Connection) -> Iterator[None]:
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
