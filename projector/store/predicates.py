"""Builds conditions on keys: many keys in one parameter, keyset pagination, same customer."""

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
    Tuple,
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

from projector.store.types import Instant, Key


def canonical_key(table: Table) -> Tuple:
    """Return the canonical key of the events of a table, for comparison with `key_parameter`."""
    return tuple_(table.c.occurred_at, table.c.event_id)


def key_parameter(occurred_at: str = "occurred_at", event_id: str = "event_id") -> Tuple:
    """Return a canonical key as two parameters of the given names."""
    return tuple_(bindparam(occurred_at, type_=Instant()), bindparam(event_id, type_=Key))


def in_values(
    connection: Connection, column: Column[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values."""
    parameter = {"key": None, "value": array_parameter(connection, values), "unique": True}
    return _in_array(connection.dialect.name, column, parameter)


def in_array(dialect: str, column: Column[Any], name: str) -> ColumnElement[bool]:
    """Return the condition that a column has one of the values of the parameter `name`.

    The parameter's value is made by `array_parameter`. For statements that are built once and
    cached, because building a statement takes longer than running it.
    """
    return _in_array(dialect, column, {"key": name})


def array_parameter(connection: Connection, values: Sequence[str] | Sequence[int]) -> Any:
    """Return any number of values as one parameter: JSON on SQLite, an array on Postgres.

    An IN list would be a different statement for every number of values, and SQLite limits the
    number of parameters.
    """
    return array_value(connection.dialect.name, values)


def array_value(dialect: str, values: Sequence[str] | Sequence[int]) -> Any:
    """Return the parameter of `array_parameter`, without a connection."""
    return msgspec.json.encode(values).decode() if dialect == "sqlite" else list(values)


def _in_array(dialect: str, column: Column[Any], parameter: dict[str, Any]) -> ColumnElement[bool]:
    if dialect == "sqlite":
        values = func.json_each(bindparam(**parameter)).table_valued("value")
        return column.in_(select(values.c.value))
    return column == any_(bindparam(**parameter, type_=ARRAY(column.type)))


def after_key(
    key: Sequence[Column[Any]], after: Sequence[str | int], *, first: str | None
) -> ColumnElement[bool]:
    """Return the condition of keyset pagination: a row's key comes after the key `after`.

    `first` is the value of the first column if the statement fixes it, or None. Then only the
    other columns are compared: with two conditions on the first column, the databases start at its
    first row, or sort all remaining rows.
    """
    if first is None:
        return tuple_(*key) > tuple_(*map(literal, after))
    if after[0] != first:
        return true() if str(after[0]) < first else false()
    return tuple_(*key[1:]) > tuple_(*map(literal, after[1:]))


def same_customer(one: Table, other: Table) -> ColumnElement[bool]:
    """Return the join condition that the rows of two tables are of the same customer."""
    return and_(
        one.c.project_id == other.c.project_id,
        one.c.customer_id == other.c.customer_id,
    )


def is_storable_text(text: str | None) -> bool:
    """Return whether a text column could hold a text.

    It cannot hold a lone surrogate or a NUL, and a driver cannot even send these to ask for them.
    """
    try:
        return text is None or b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False


def within_int64(numbers: Sequence[int]) -> list[int]:
    """Return the numbers that fit into 64 bits; Postgres refuses a query with any other."""
    return [number for number in numbers if -(2**63) <= number < 2**63]
