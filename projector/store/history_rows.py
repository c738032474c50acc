"""Loads the rows of a history behind a snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Row
from projector.store.read_errors import translate_read_errors
from projector.store.row_tables import table_of


def load_since(
    connection: Connection,
    projection: Projection,
    customer: CustomerKey,
    since: Iterable[Row],
    *,
    last: Iterable[Row],
) -> list[Row]:
    """Return the rows of a customer in a history from those on that it had earlier.

    `since` has the last row of each series then, and `last` has those now, as `load_last` returns
    them. A series of which both have the same row, or which has no other, is not read again. Raises
    RowsUnreadable.
    """
    begin = {}
    for row in since:
        *series, number = (getattr(row, name) for name in projection.key)
        begin[tuple(series)] = number
    loaded: list[Row] = []
    for row in last:
        *series, number = (getattr(row, name) for name in projection.key)
        first = begin.get(tuple(series), 1)
        if number <= first:
            loaded.append(row)
            continue
        key = dict(zip(projection.key, (*series, first), strict=True))
        params = {**customer._asdict(), **key}
        with translate_read_errors(projection.name):
            rows = connection.execute(_select_since(projection), params).all()
        loaded += [projection.row(*each[2:]) for each in rows]
    return loaded


@cache
def _select_since(projection: Projection) -> Select[Any]:
    """Select the rows of a series of a history from a number on."""
    table = table_of(projection)
    *series, number = (table.c[name] for name in projection.key)
    return select(table).where(
        table.c.project_id == bindparam("project_id"),
        table.c.customer_id == bindparam("customer_id"),
        *(column == bindparam(column.name, type_=column.type) for column in series),
        number >= bindparam(number.name),
    )
