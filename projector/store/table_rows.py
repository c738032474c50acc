"""The rows of the current-state tables."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, and_, bindparam, delete, func, or_, select

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Row, Values
from projector.store import bulk, digest, tables
from projector.store.predicates import array_parameter, in_array, same_customer
from projector.store.read_errors import translate_read_errors
from projector.store.tables import stream
from projector.store.types import Instant

#: Rows by customer; a customer without rows may be left out.
Rows = Mapping[CustomerKey, list[Row]]


def load(connection: Connection, projection: Projection, customers: Iterable[CustomerKey]) -> Rows:
    """All rows of some customers."""
    statement = _select_several(projection, connection.dialect.name)
    return _load(connection, projection, customers, statement)


def _load(
    connection: Connection,
    projection: Projection,
    customers: Iterable[CustomerKey],
    statement: Select[Any],
) -> Rows:
    by_project: dict[str, list[str]] = {}
    for project_id, customer_id in customers:
        by_project.setdefault(project_id, []).append(customer_id)
    found: dict[CustomerKey, list[Row]] = {}
    width = len(tables.table_of(projection).columns)
    for project_id, customer_ids in by_project.items():
        asked = {
            "project_id": project_id,
            "customer_ids": array_parameter(connection, customer_ids),
        }
        with translate_read_errors(projection.name):
            rows = connection.execute(statement, asked).all()
        for row in rows:
            key = CustomerKey(project_id, row[1])
            found.setdefault(key, []).append(projection.row(*row[2:width]))
    return found


def load_last(
    connection: Connection, projection: Projection, customers: Iterable[CustomerKey]
) -> Rows:
    """The rows of some customers that an event in its order may change.

    Of a place where somebody was in and out 100,000 times, that is one row.
    """
    statement = _select_last if projection.is_history else _select_several
    return _load(connection, projection, customers, statement(projection, connection.dialect.name))


def load_one(connection: Connection, projection: Projection, customer: CustomerKey) -> list[Row]:
    """The rows of one customer."""
    with translate_read_errors(projection.name):
        rows = connection.execute(_select_one(projection), customer._asdict()).all()
    return [projection.row(*row[2:]) for row in rows]


def load_by_ids(
    connection: Connection, projection: Projection, customer_ids: Sequence[str]
) -> dict[CustomerKey, list[Row]]:
    """The rows of the customers who have one of some ids, in whatever project."""
    found: dict[CustomerKey, list[Row]] = {}
    statement = _select_by_ids(projection, connection.dialect.name)
    with translate_read_errors(projection.name):
        rows = connection.execute(
            statement, {"ids": array_parameter(connection, customer_ids)}
        ).all()
    for row in rows:
        found.setdefault(CustomerKey(row[0], row[1]), []).append(projection.row(*row[2:]))
    return found


def scan(
    connection: Connection, projection: Projection, *, but: CustomerKey | None = None
) -> Generator[tuple[CustomerKey, Row]]:
    """Every row and whose it is, ordered by project and customer; `but` leaves one out."""
    table = tables.table_of(projection)
    statement = select(table).order_by(table.c.project_id, table.c.customer_id)
    if but is not None:
        statement = statement.where(
            or_(table.c.project_id != but.project_id, table.c.customer_id != but.customer_id)
        )
    # Who stops half-way and closes it leaves no cursor open.
    statement = statement.execution_options(yield_per=1000)
    with translate_read_errors(projection.name), connection.execute(statement) as rows:
        for row in rows:
            yield CustomerKey(row[0], row[1]), projection.row(*row[2:])


@cache
def _select_one(projection: Projection) -> Select[Any]:
    """Made once: to make a statement costs more than to run it."""
    table = tables.table_of(projection)
    return select(table).where(
        table.c.project_id == bindparam("project_id"),
        table.c.customer_id == bindparam("customer_id"),
    )


@cache
def _select_by_ids(projection: Projection, dialect: str) -> Select[Any]:
    table = tables.table_of(projection)
    return (
        select(table)
        .join_from(stream, table, same_customer(stream, table))
        .where(in_array(dialect, stream.c.customer_id, "ids"))
    )


@cache
def _select_several(projection: Projection, dialect: str) -> Select[Any]:
    """As above."""
    table = tables.table_of(projection)
    return select(table).where(
        table.c.project_id == bindparam("project_id"),
        in_array(dialect, table.c.customer_id, "customer_ids"),
    )


@cache
def _select_last(projection: Projection, dialect: str) -> Select[Any]:
    """As above, but of each place only the row that counts highest."""
    statement = _select_several(projection, dialect)
    table = tables.table_of(projection)
    *place, number = (table.c[name] for name in ("project_id", "customer_id", *projection.key))
    if dialect == "sqlite":
        # There the other columns are those of the row that has the maximum.
        return statement.add_columns(func.max(number)).group_by(*place)
    from sqlalchemy.dialects.postgresql import distinct_on

    newest_first = (each.desc() for each in (*place, number))
    return statement.ext(distinct_on(*place)).order_by(*newest_first)


class Difference(NamedTuple):
    """What turns rows into others."""

    #: The table's tuples.
    upserted: list[Values]
    gone: list[tuple[CustomerKey, Row]]
    #: What it adds to the digest of all rows.
    digest: int


def difference(projection: Projection, *, old: Rows, new: Rows) -> Difference:
    """What turns the rows of customers, as loaded, into others: only what differs."""
    identity, values = _identity(projection), _values_of(projection)
    upserted: list[Values] = []
    replaced: list[Values] = []
    gone = []
    for customer, rows in new.items():
        before = {identity(row): row for row in old.get(customer, ())}
        for row in rows:
            known = before.pop(identity(row), None)
            if known is not None:
                if known is row or known == row:
                    continue
                replaced.append(customer + values(known))
            upserted.append(customer + values(row))
        for row in before.values():
            gone.append((customer, row))
            replaced.append(customer + values(row))
    upserted, replaced = _in_utc(projection, upserted), _in_utc(projection, replaced)
    return Difference(upserted, gone, digest.of(upserted) - digest.of(replaced))


def write(connection: Connection, projection: Projection, changed: Difference) -> None:
    """Write what differs."""
    bulk.upsert_many(connection, tables.table_of(projection), changed.upserted)
    for customer, row in changed.gone:
        _delete(connection, projection, customer, row)


def replace(
    connection: Connection, projection: Projection, customer: CustomerKey, rows: list[Row]
) -> None:
    """Put rows in the place of all that a customer has."""
    table = tables.table_of(projection)
    connection.execute(
        delete(table).where(
            table.c.project_id == customer.project_id, table.c.customer_id == customer.customer_id
        )
    )
    bulk.insert_many(connection, table, as_values(projection, {customer: rows}))


def as_values(projection: Projection, rows: Rows) -> list[Values]:
    """Rows as the table's tuples."""
    values = _values_of(projection)
    found = [customer + values(row) for customer, mine in rows.items() for row in mine]
    return _in_utc(projection, found)


def _delete(
    connection: Connection, projection: Projection, customer: CustomerKey, row: Row
) -> None:
    table = tables.table_of(projection)
    key = [table.c[name] == getattr(row, name) for name in projection.key]
    connection.execute(
        delete(table).where(
            and_(
                table.c.project_id == customer.project_id,
                table.c.customer_id == customer.customer_id,
                *key,
            )
        )
    )


@cache
def _values_of(projection: Projection) -> Callable[[Row], Values]:
    """From a row to the values of its fields."""
    return attrgetter(*projection.fields)


def _in_utc(projection: Projection, rows: list[Values]) -> list[Values]:
    """The table's tuples with instants in UTC, as they are read back, so that hashes agree."""
    # A loop for a column costs half of a loop in each row; nearly always all are in UTC.
    for at, column in enumerate(tables.table_of(projection).columns):
        if isinstance(column.type, Instant):
            for row in rows:
                instant = row[at]
                if instant is not None and instant.tzinfo is not UTC:
                    return [tuple(map(_instant_in_utc, row)) for row in rows]
    return rows


def _instant_in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


@cache
def _identity(projection: Projection) -> Any:
    """From a row to what tells it apart among its customer's rows."""
    return attrgetter(*projection.key) if projection.key else lambda _row: None
