"""Reads rows raw, as they are stored, so that a verification can compare them with a new fold.

Values are compared raw, without type conversion: a conversion would hide corruption
(`is_member = 2` reads as true), or fail. Both sides are in SQLite's form: instants are text.
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
from projector.store import bulk, row_tables
from projector.store.predicates import in_values, same_customer
from projector.store.read_errors import is_unreadable
from projector.store.tables import stream
from projector.store.types import Instant


def to_stored(projection: Projection, values: Sequence[Values]) -> list[Values]:
    """Convert tuples of a table to the form in which SQLite would store them."""
    return (
        bulk.to_sqlite_params(list(row_tables.table_of(projection).columns), values)
        if values
        else []
    )


def matches(
    connection: Connection,
    projection: Projection,
    stream_ids: Sequence[int],
    values: Sequence[Values],
) -> bool:
    """Return whether the customers of some streams have exactly the rows `values`.

    A fast check without false positives; `read_streams` then shows the differences. On Postgres,
    whose types are strict, values are compared and not their texts.
    """
    if connection.dialect.name == "sqlite":
        values, selected = to_stored(projection, values), _select_raw(connection, projection)
    else:
        selected = select(row_tables.table_of(projection))
    try:
        rows = connection.execute(_of_streams(selected, connection, projection, stream_ids)).all()
    except DBAPIError as error:
        if not is_unreadable(error.orig):
            raise
        return False
    return len(rows) == len(values) and {*map(tuple, rows)} == {*values}


def read_streams(
    connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> list[Values]:
    """Return the stored rows of the customers of some streams."""
    statement = _of_streams(_select_raw(connection, projection), connection, projection, stream_ids)
    with tolerate_invalid_text(connection):
        return [tuple(row) for row in connection.execute(statement)]


def read_without_stream(connection: Connection, projection: Projection) -> Iterator[Values]:
    """Yield the stored rows of customers who have no stream; there should be none."""
    table = row_tables.table_of(projection)
    has_stream = exists().where(same_customer(table, stream))
    statement = _select_raw(connection, projection).where(~has_stream)
    statement = statement.execution_options(yield_per=1000)
    with tolerate_invalid_text(connection), connection.execute(statement) as rows:
        yield from map(tuple, rows)


def _of_streams(
    selected: Select[Any], connection: Connection, projection: Projection, stream_ids: Sequence[int]
) -> Select[Any]:
    """Restrict a statement to the rows of the customers of some streams."""
    table = row_tables.table_of(projection)
    return selected.select_from(stream.join(table, same_customer(table, stream))).where(
        in_values(connection, stream.c.stream_id, stream_ids)
    )


def _select_raw(connection: Connection, projection: Projection) -> Select[Any]:
    columns = row_tables.table_of(projection).columns
    return select(*(raw_column(connection, column) for column in columns))


def raw_column(connection: Connection, column: Column[Any]) -> ColumnElement[Any]:
    """Return a column as an expression that is read without type conversion.

    On SQLite the stored value; on Postgres instants and dates are text in SQLite's form.
    """
    if connection.dialect.name == "sqlite":
        return type_coerce(column, NullType()).label(column.name)
    return _as_text(column)


def _as_text(column: Column[Any]) -> ColumnElement[Any]:
    """Return an instant or a date of Postgres as text in SQLite's form; other columns unchanged.

    A value that Python cannot represent, such as a BC date or infinity, is in Postgres's own form.
    """
    if isinstance(column.type, Instant):
        pattern = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
    elif isinstance(column.type, Date):
        pattern = "YYYY-MM-DD"
    else:
        return column
    has_form = and_(column >= text("'0001-01-01'"), column < text("'infinity'"))
    formatted = case((has_form, func.to_char(column, pattern)), else_=cast(column, Text))
    return formatted.label(column.name)


@contextmanager
def tolerate_invalid_text(connection: Connection) -> Iterator[None]:
    """Read text of SQLite that is not UTF-8 as bytes, which differ from any text.

    For the statements of the block; without this, the driver raises an error.
    """
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
