"""Looks up customers by id, by source_id, and all of them in order."""

from __future__ import annotations

from collections.abc import Generator
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from projector.envelope import RESERVED_PREFIX, CustomerKey
from projector.projections import customer
from projector.store.row_tables import table_of
from projector.store.tables import stream

_BY_CUSTOMER_ID = (
    select(stream.c.project_id, stream.c.customer_id)
    .where(stream.c.customer_id == bindparam("customer_id"))
    .order_by(stream.c.project_id)
)

_ALL = (
    select(stream.c.stream_id, stream.c.project_id, stream.c.customer_id)
    .order_by(stream.c.project_id, stream.c.customer_id)
    .execution_options(yield_per=1000)
)


def by_customer_id(connection: Connection, customer_id: str) -> list[CustomerKey]:
    """Return the customers with this customer_id, at most one per project, by project.

    Erased customers have no id.
    """
    rows = connection.execute(_BY_CUSTOMER_ID, {"customer_id": customer_id}).all()
    found = [CustomerKey(*row) for row in rows]
    if found and customer_id.startswith(RESERVED_PREFIX):
        return [
            each
            for each in found
            if customer_id != f"{RESERVED_PREFIX}{stream_of(connection, each)}"
        ]
    return found


def by_source_id(connection: Connection, source_id: str) -> list[CustomerKey]:
    """Return the customers with this source_id (the shop's own id), including deleted ones.

    From the rows of the projection `customer`, ordered by project and customer.
    """
    table = table_of(customer.PROJECTION)
    columns = (table.c.project_id, table.c.customer_id)
    statement = select(*columns).where(table.c.source_id == source_id).order_by(*columns)
    return [CustomerKey(*row) for row in connection.execute(statement).all()]


def deleted_before(connection: Connection, before: datetime) -> list[CustomerKey]:
    """Return the customers whom the sender deleted up to a time; reads all customers."""
    table = table_of(customer.PROJECTION)
    statement = select(table.c.project_id, table.c.customer_id).where(table.c.deleted_at <= before)
    return sorted(CustomerKey(*row) for row in connection.execute(statement))


def in_order(connection: Connection) -> Generator[tuple[int, CustomerKey]]:
    """Yield the stream id and the customer of every stream, ordered by project and customer."""
    with connection.execute(_ALL) as rows:
        for stream_id, *key in rows:
            yield stream_id, CustomerKey(*key)


def stream_of(connection: Connection, customer: CustomerKey) -> int:
    """Return the stream id of a customer; raises NoResultFound if there is no such stream."""
    statement = select(stream.c.stream_id).where(
        stream.c.project_id == customer.project_id, stream.c.customer_id == customer.customer_id
    )
    return int(connection.execute(statement).scalar_one())
