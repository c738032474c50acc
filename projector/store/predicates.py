"""Conditions on keys: many of them in a single parameter, behind one, and of one customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    any_,
    bindparam,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)


def in_values(
    connection: Connection, column: Column[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether a column has one of the values."""
    parameter = {"key": None, "value": array_parameter(connection, values), "unique": True}
    return _in_array(connection.dialect.name, column, parameter)


def in_array(dialect: str, column: Column[Any], name: str) -> ColumnElement[bool]:
    """Whether a column has one of the values of a parameter, which are parameter as an `array`.

    For statements that are made once: to make one takes longer than to run it.
    """
    return _in_array(dialect, column, {"key": name})


def array_parameter(connection: Connection, values: Sequence[str] | Sequence[int]) -> Any:
    """Any number of values as one parameter.

    An IN list would be another statement for every number of values, and SQLite bounds its length.
    """
    if connection.dialect.name == "sqlite":
        return msgspec.json.encode(values).decode()
    return list(values)


def _in_array(dialect: str, column: Column[Any], parameter: dict[str, Any]) -> ColumnElement[bool]:
    if dialect == "sqlite":
        values = func.json_each(bindparam(**parameter)).table_valued("value")
        return column.in_(select(values.c.value))
    return column == any_(bindparam(**parameter, type_=ARRAY(column.type)))


def after_key(
    place: Sequence[Column[Any]], after: Sequence[str | int], *, first: str | None
) -> ColumnElement[bool]:
    """Whether a row's place comes after one; `first` is the first column's value, if it is fixed.

    Then only the rest is compared: told of that column twice, the databases begin with its first
    row, or sort all that are left.
    """
    if first is None:
        return tuple_(*place) > tuple_(*map(literal, after))
    if after[0] != first:
        return true() if str(after[0]) < first else false()
    return tuple_(*place[1:]) > tuple_(*map(literal, after[1:]))


def same_customer(one: Table, other: Table) -> ColumnElement[bool]:
    """Whether the rows of two tables are of one customer."""
    return and_(
        one.c.project_id == other.c.project_id,
        one.c.customer_id == other.c.customer_id,
    )


def is_storable_text(text: str | None) -> bool:
    """Whether a text column may hold it: a driver cannot even send half a character or a NUL."""
    try:
        return text is None or b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def within_int64(numbers: Sequence[int]) -> list[int]:
    """Those that a column may hold: Postgres refuses to be asked for one of more than 64 bits."""
    return [number for number in numbers if -(2**63) <= number < 2**63]
