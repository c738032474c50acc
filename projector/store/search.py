"""Finds the keys of customers by the beginnings of texts, and by words within names.

Beginnings are ranges of an index. Words within names are looked for in all names: that takes longer
with every customer, so it is the last resort.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from projector.envelope import CustomerKey
from projector.projections import customer
from projector.store.row_tables import table_of

#: Greater than every character with which a text goes on after its beginning.
_LAST_CHARACTER = chr(0x10FFFF)


def by_value(
    connection: Connection, column: str, value: str, *, project_id: str | None, limit: int
) -> list[CustomerKey]:
    """Return customers with a value in an indexed column."""
    indexed = table_of(customer.PROJECTION).c[column]
    statement = _select(column, project_id, limit).where(indexed == value)
    return [CustomerKey(*row) for row in connection.execute(statement).all()]


def by_beginning(
    connection: Connection, column: str, beginning: str, *, project_id: str | None, limit: int
) -> list[CustomerKey]:
    """Return customers of whom the value of an indexed column begins so, in its order."""
    indexed = table_of(customer.PROJECTION).c[column]
    conditions = (indexed >= beginning, indexed < beginning + _LAST_CHARACTER)
    statement = _select(column, project_id, limit).where(*conditions)
    return [CustomerKey(*row) for row in connection.execute(statement).all()]


def by_word(
    connection: Connection, beginning: str, *, project_id: str | None, limit: int
) -> list[CustomerKey]:
    """Return customers of whom a word of the name behind the first begins so, by the name."""
    name = table_of(customer.PROJECTION).c.search_name
    condition: ColumnElement[bool] = name.contains(f" {beginning}", autoescape=True)
    statement = _select("search_name", project_id, limit).where(condition)
    return [CustomerKey(*row) for row in connection.execute(statement).all()]


def _select(column: str, project_id: str | None, limit: int) -> Select[Any]:
    """Select keys from the index of a column alone, in its order."""
    table = table_of(customer.PROJECTION)
    key = (table.c.project_id, table.c.customer_id)
    statement = select(*key).order_by(table.c[column], *key).limit(limit)
    if project_id is None:
        return statement
    # An expression, which no index matches: by the primary key, which begins with the project, all
    # customers of a project would be looked through, and sorted.
    return statement.where(table.c.project_id.concat("") == project_id)
