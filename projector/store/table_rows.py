"""Loads, compares and writes the rows of the current-state tables."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

from msgspec.structs import astuple
from sqlalchemy import Connection, Select, and_, bindparam, delete, func, or_, select

from projector.envelope import CustomerKey
from projector.projections.projection import Projection, Row, Values
from projector.store import bulk, digest, group_sizes, row_tables
from projector.store.predicates import array_parameter, in_array, same_customer
from projector.store.read_errors import translate_read_errors
from projector.store.tables import stream
from projector.store.types import Instant

#: Rows by customer; a customer without rows may be missing.
Rows = Mapping[CustomerKey, list[Row]]


def load(connection: Connection, projection: Projection, customers: Iterable[CustomerKey]) -> Rows:
    """Return all rows of some customers; raises RowsUnreadable."""
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
    loaded: dict[CustomerKey, list[Row]] = {}
    # `_select_last` adds a column on SQLite, which is not part of the row.
    width = len(row_tables.table_of(projection).columns)
    for project_id, customer_ids in by_project.items():
        params = {
            "project_id": project_id,
            "customer_ids": array_parameter(connection, customer_ids),
        }
        with translate_read_errors(projection.name):
            rows = connection.execute(statement, params).all()
        for row in rows:
            key = CustomerKey(project_id, row[1])
            loaded.setdefault(key, []).append(projection.row(*row[2:width]))
    return loaded


def has_rows(connection: Connection, projection: Projection) -> bool:
    """Return whether the table of a projection has any rows."""
    one = select(row_tables.table_of(projection).c.customer_id).limit(1)
    return connection.execute(one).first() is not None


def load_last(
    connection: Connection, projection: Projection, customers: Iterable[CustomerKey]
) -> Rows:
    """Return those rows of some customers that an event in order (not a late one) may change.

    In a history, that is only the last period for each key: one row also for a segment that a
    customer has entered and left 100,000 times. Raises RowsUnreadable.
    """
    statement = _select_last if projection.is_history else _select_several
    return _load(connection, projection, customers, statement(projection, connection.dialect.name))


def load_one(connection: Connection, projection: Projection, customer: CustomerKey) -> list[Row]:
    """Return all rows of one customer; raises RowsUnreadable."""
    with translate_read_errors(projection.name):
        rows = connection.execute(_select_one(projection), customer._asdict()).all()
    return [projection.row(*row[2:]) for row in rows]


def load_by_ids(
    connection: Connection, projection: Projection, customer_ids: Sequence[str]
) -> dict[CustomerKey, list[Row]]:
    """Return the rows of all customers with one of the ids, in any project.

    Raises RowsUnreadable.
    """
    loaded: dict[CustomerKey, list[Row]] = {}
    statement = _select_by_ids(projection, connection.dialect.name)
    with translate_read_errors(projection.name):
        rows = connection.execute(
            statement, {"ids": array_parameter(connection, customer_ids)}
        ).all()
    for row in rows:
        loaded.setdefault(CustomerKey(row[0], row[1]), []).append(projection.row(*row[2:]))
    return loaded


def scan(
    connection: Connection, projection: Projection, *, but: CustomerKey | None = None
) -> Generator[tuple[CustomerKey, Row]]:
    """Yield every row with its customer, ordered by project and customer.

    `but` leaves out one customer. Raises RowsUnreadable.
    """
    table = row_tables.table_of(projection)
    statement = select(table).order_by(table.c.project_id, table.c.customer_id)
    if but is not None:
        statement = statement.where(
            or_(table.c.project_id != but.project_id, table.c.customer_id != but.customer_id)
        )
    # Closing this generator before its end closes the cursor, too.
    statement = statement.execution_options(yield_per=1000)
    with translate_read_errors(projection.name), connection.execute(statement) as rows:
        for row in rows:
            yield CustomerKey(row[0], row[1]), projection.row(*row[2:])


@cache
def _select_one(projection: Projection) -> Select[Any]:
    # Statements are cached, because building one costs more than running it.
    table = row_tables.table_of(projection)
    return select(table).where(
        table.c.project_id == bindparam("project_id"),
        table.c.customer_id == bindparam("customer_id"),
    )


@cache
def _select_by_ids(projection: Projection, dialect: str) -> Select[Any]:
    table = row_tables.table_of(projection)
    return (
        select(table)
        .join_from(stream, table, same_customer(stream, table))
        .where(in_array(dialect, stream.c.customer_id, "ids"))
    )


@cache
def _select_several(projection: Projection, dialect: str) -> Select[Any]:
    table = row_tables.table_of(projection)
    return select(table).where(
        table.c.project_id == bindparam("project_id"),
        in_array(dialect, table.c.customer_id, "customer_ids"),
    )


@cache
def _select_last(projection: Projection, dialect: str) -> Select[Any]:
    """Select the last row for each key of a history: the one with the greatest period number."""
    statement = _select_several(projection, dialect)
    table = row_tables.table_of(projection)
    *key, number = (table.c[name] for name in ("project_id", "customer_id", *projection.key))
    if dialect == "sqlite":
        # With max(), SQLite takes the bare columns from the row that has the maximum.
        return statement.add_columns(func.max(number)).group_by(*key)
    from sqlalchemy.dialects.postgresql import distinct_on

    newest_first = (each.desc() for each in (*key, number))
    return statement.ext(distinct_on(*key)).order_by(*newest_first)


class Difference(NamedTuple):
    """The changes that turn old rows into new ones."""

    #: Tuples of the table: rows to insert or to replace.
    upserted: list[Values]
    #: Rows to delete.
    gone: list[tuple[CustomerKey, Row]]
    #: Tuples of the table: the rows that are deleted, and those that are replaced, as they were.
    replaced: list[Values]
    #: The change of the digest of all rows.
    digest: int


def difference(projection: Projection, *, old: Rows, new: Rows) -> Difference:
    """Return the changes that turn the loaded rows of customers into new ones.

    Only for the customers in `new`; rows that are equal are left out.
    """
    identity = _identity(projection)
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
                replaced.append(customer + astuple(known))
            upserted.append(customer + astuple(row))
        for row in before.values():
            gone.append((customer, row))
            replaced.append(customer + astuple(row))
    upserted, replaced = _in_utc(projection, upserted), _in_utc(projection, replaced)
    return Difference(upserted, gone, replaced, digest.of(upserted) - digest.of(replaced))


def write(connection: Connection, projection: Projection, changed: Difference) -> None:
    """Write the changes of a projection's rows, and of the sizes of their groups."""
    sizes = group_sizes.changes(projection, new=changed.upserted, old=changed.replaced)
    group_sizes.add(connection, projection, sizes)
    bulk.upsert_many(connection, row_tables.table_of(projection), changed.upserted)
    for customer, row in changed.gone:
        _delete(connection, projection, customer, row)


def replace(
    connection: Connection, projection: Projection, customer: CustomerKey, rows: list[Row]
) -> None:
    """Replace all rows of a customer."""
    table = row_tables.table_of(projection)
    connection.execute(
        delete(table).where(
            table.c.project_id == customer.project_id, table.c.customer_id == customer.customer_id
        )
    )
    bulk.insert_many(connection, table, as_values(projection, {customer: rows}))


def as_values(projection: Projection, rows: Rows) -> list[Values]:
    """Convert rows to tuples of the table."""
    converted = [customer + astuple(row) for customer, some in rows.items() for row in some]
    return _in_utc(projection, converted)


def _delete(
    connection: Connection, projection: Projection, customer: CustomerKey, row: Row
) -> None:
    table = row_tables.table_of(projection)
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


def _in_utc(projection: Projection, rows: list[Values]) -> list[Values]:
    """Convert instants in the table's tuples to UTC, as they will be read back.

    So a row has the same hash before it is written and after it is read.
    """
    # Check column by column, at half the cost of a loop in each row: nearly always all are in UTC.
    for at, column in enumerate(row_tables.table_of(projection).columns):
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
    """Return the function from a row to its key among its customer's rows.

    The key is None for a projection with one row per customer.
    """
    return attrgetter(*projection.key) if projection.key else lambda _row: None
