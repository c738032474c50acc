"""The rows of customers who are asked for by id alone, many at once.

Each statement is made once: to make one takes longer than to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Connection, Select, any_, bindparam, func, select

from projector.envelope import CustomerKey
from projector.fold import Projection, Row
from projector.store.keyed import same_customer
from projector.store.tables import dead_letter, stream, table_of


def of_customers(
    connection: Connection, projection: Projection, customer_ids: Sequence[str]
) -> dict[CustomerKey, list[Row]]:
    """The rows of the customers who have one of some ids, in whatever project."""
    found: dict[CustomerKey, list[Row]] = {}
    statement = _rows(projection, connection.dialect.name)
    for row in connection.execute(statement, {"ids": _ids(connection, customer_ids)}):
        found.setdefault(CustomerKey(row[0], row[1]), []).append(projection.row(*row[2:]))
    return found


def concerned(
    connection: Connection, projections: tuple[str, ...], customer_ids: Sequence[str]
) -> set[CustomerKey]:
    """Those who have one of some ids and a dead letter of some projections."""
    statement = _concerned(projections, connection.dialect.name)
    rows = connection.execute(statement, {"ids": _ids(connection, customer_ids)})
    return {CustomerKey(*row) for row in rows}


@cache
def _rows(projection: Projection, dialect: str) -> Select[Any]:
    table = table_of(projection)
    return (
        select(table).join_from(stream, table, same_customer(stream, table)).where(_asked(dialect))
    )


@cache
def _concerned(projections: tuple[str, ...], dialect: str) -> Select[Any]:
    return (
        select(stream.c.project_id, stream.c.customer_id)
        .join_from(stream, dead_letter, dead_letter.c.stream_id == stream.c.stream_id)
        .where(_asked(dialect), dead_letter.c.projection.in_(projections))
    )


def _asked(dialect: str) -> ColumnElement[bool]:
    """Whether a stream's customer has one of the ids in the parameter `ids`."""
    column = stream.c.customer_id
    if dialect == "sqlite":
        return column.in_(select(func.json_each(bindparam("ids")).table_valued("value").c.value))
    return column == any_(bindparam("ids", type_=ARRAY(column.type)))


def _ids(connection: Connection, customer_ids: Sequence[str]) -> Any:
    if connection.dialect.name == "sqlite":
        return msgspec.json.encode(customer_ids).decode()
    return list(customer_ids)
