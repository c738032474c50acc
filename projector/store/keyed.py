"""One condition for many keys: a single parameter, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ARRAY,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    any_,
    bindparam,
    func,
    select,
)


def among(
    connection: Connection, column: Column[Any], values: Sequence[str] | Sequence[int]
) -> ColumnElement[bool]:
    """Whether a column has one of the values.

    An IN list would be another statement for every number of values, and SQLite bounds its length.
    """
    if connection.dialect.name == "sqlite":
        array: BindParameter[str] = bindparam(
            None, msgspec.json.encode(values).decode(), unique=True
        )
        return column.in_(select(func.json_each(array).table_valued("value").c.value))
    return column == any_(bindparam(None, list(values), type_=ARRAY(column.type), unique=True))


def storable(numbers: Sequence[int]) -> list[int]:
    """Those that a column may hold: Postgres refuses to be asked for one of more than 64 bits."""
    return [number for number in numbers if -(2**63) <= number < 2**63]
