"""The rows of customers who are asked for by id alone, many at once.

Each statement is made once: to make one takes longer than to run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, exists, select

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Row
from projector.store.predicates import array, in_array, same_customer
from projector.store.tables import dead_letter, stream, table_of
from projector.store.verify.raw_rows import readable


def of_customers(
    connection: Connection, projection: Projection, customer_ids: Sequence[str]
) -> dict[CustomerKey, list[Row]]:
    """The rows of the customers who have one of some ids, in whatever project."""
    found: dict[CustomerKey, list[Row]] = {}
    statement = _rows(projection, connection.dialect.name)
    with readable(projection.name):
        rows = connection.execute(statement, {"ids": array(connection, customer_ids)}).all()
    for row in rows:
        found.setdefault(CustomerKey(row[0], row[1]), []).append(projection.row(*row[2:]))
    return found


def concerned(
    connection: Connection, projections: tuple[str, ...], customer_ids: Sequence[str]
) -> set[CustomerKey]:
    """Those who have one of some ids and a dead letter of some projections."""
    statement = _concerned(projections, connection.dialect.name)
    rows = connection.execute(statement, {"ids": array(connection, customer_ids)}).all()
    return {CustomerKey(*row) for row in rows}


@cache
def _rows(projection: Projection, dialect: str) -> Select[Any]:
    table = table_of(projection)
    return (
        select(table)
        .join_from(stream, table, same_customer(stream, table))
        .where(in_array(dialect, stream.c.customer_id, "ids"))
    )


@cache
def _concerned(projections: tuple[str, ...], dialect: str) -> Select[Any]:
    # Not by a join: SQLite would begin with the letters, and go through all of them.
    letter = exists().where(
        dead_letter.c.stream_id == stream.c.stream_id, dead_letter.c.projection.in_(projections)
    )
    return select(stream.c.project_id, stream.c.customer_id).where(
        in_array(dialect, stream.c.customer_id, "ids"), letter
    )
