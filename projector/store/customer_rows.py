"""Reads everything that the tables have of customers, by one statement: the direct path.

Of each customer it returns what the ordinary path returns (`table_rows.load_one`,
`dead_letters.has_any` and `checkpoints.least_position` in one `Database.reading_tables`), because:

- One statement sees one snapshot, on both databases, with no transaction around it.
- On Postgres a rebuild may swap tables meanwhile, of which it holds locks until its commit. The
  statement locks all its tables when it is analyzed, and takes its snapshot afterwards: so it does
  at the isolation level READ COMMITTED, which is every session's default. So either the swap waits
  for the end of this statement, or this one waits for the commit of the swap, then finds the new
  tables by their names, and all of their rows in its snapshot. What the server had prepared it
  analyzes again after a swap. Both lock `checkpoint` first, so that neither waits for the other.
- The statement is made from the definitions of the tables, and so are the converters of the values,
  which are those of SQLAlchemy.

The statement is a UNION ALL of a part for the checkpoints, one for the streams of the customers,
and one for each projection. All parts have the columns of one layout; a projection puts its values
into those of the right types, and null into the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Select,
    Table,
    bindparam,
    cast,
    exists,
    func,
    literal_column,
    null,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.engine import Dialect

from projector.envelope import CustomerKey
from projector.projections import customer
from projector.projections.projection import Projection, Row
from projector.store.database import Database
from projector.store.predicates import array_value, in_array, same_customer
from projector.store.read_errors import is_unreadable
from projector.store.row_tables import table_of
from projector.store.tables import checkpoint, dead_letter, log_head, stream
from projector.store.types import Key
from projector.store.union_layout import UnionLayout

#: The first column of a row is its kind: one of these, or the index of a projection.
_CHECKPOINTS, _STREAM = -1, -2

#: The number of columns before those of the layout: the kind, the project and the customer.
_FIXED = 3


class By(Enum):
    """The ways to look customers up."""

    ID = "id"
    IDS = "ids"
    SOURCE_ID = "source_id"


class CustomerRows(NamedTuple):
    """The rows of one customer."""

    #: By the names of the projections.
    rows: dict[str, list[Row]]
    #: Whether no event of the customer is a dead letter of one of the projections.
    complete: bool


class TablesSnapshot(NamedTuple):
    """The rows of some customers, at one moment."""

    #: All customers found, also those of whom the projections have no rows.
    customers: dict[CustomerKey, CustomerRows]
    #: The position that all the projections have reached.
    position: int
    #: The position of the last event in the log.
    head: int


def read(
    database: Database,
    projections: tuple[Projection, ...],
    by: By,
    key: str | Sequence[str],
    *,
    last: bool = False,
) -> TablesSnapshot | None:
    """Return what the tables have of the customers with an id, with one of several, or a source_id.

    With `last`, of a history only the last row of each series, as `table_rows.load_last` does.
    None if the ordinary path must be taken: behind a connection pooler, if the head is missing, and
    if a stored value is unreadable, for which that path raises RowsUnreadable.
    """
    dialect = database.engine.dialect
    prepared = _prepare(projections, by, dialect, last)
    value = key if isinstance(key, str) else array_value(dialect.name, key)
    try:
        found = database.select(prepared.statement, prepared.parameters_of(value))
        return None if found is None else _to_snapshot(found, projections, prepared.readers)
    except (ValueError, TypeError, OverflowError):
        return None
    except dialect.loaded_dbapi.Error as error:
        if not is_unreadable(error):
            raise
        return None


class _Reader(NamedTuple):
    """The conversion of rows of the statement to rows of a projection."""

    projection: Projection
    values_of: Callable[[tuple[Any, ...]], tuple[Any, ...]]
    #: The indexes of the values to convert, each with the function that does it.
    converters: Sequence[tuple[int, Callable[[Any], Any]]]

    def read(self, found: tuple[Any, ...]) -> Row:
        """Return the row of the projection; raise an error for a value of a wrong type."""
        values = [*self.values_of(found)]
        for index, convert in self.converters:
            values[index] = convert(values[index])
        return self.projection.row(*values)


class _Prepared(NamedTuple):
    """A statement for the driver, with the readers of its rows."""

    statement: str
    #: The function from the value that is looked up to the driver's parameters.
    parameters_of: Callable[[Any], Any]
    readers: list[_Reader]


def _to_snapshot(
    found: Sequence[tuple[Any, ...]],
    projections: tuple[Projection, ...],
    readers: Sequence[_Reader],
) -> TablesSnapshot | None:
    customers: dict[CustomerKey, CustomerRows] = {}
    rows: list[tuple[CustomerKey, str, Row]] = []
    position, head = 0, None
    for each in found:
        kind, project_id, customer_id, first, second, third, *_ = each
        key = CustomerKey(project_id, customer_id)
        if kind >= 0:
            rows.append((key, projections[kind].name, readers[kind].read(each)))
        elif kind == _STREAM:
            customers[key] = CustomerRows({each.name: [] for each in projections}, not first)
        else:
            # A projection without a checkpoint is at position 0.
            position, head = first if second == len(projections) else 0, third
    for key, name, row in rows:
        customers[key].rows[name].append(row)
    return None if head is None else TablesSnapshot(customers, position, head)


@cache
def _prepare(
    projections: tuple[Projection, ...], by: By, dialect: Dialect, last: bool
) -> _Prepared:
    layout = UnionLayout(
        [_columns(each) for each in projections], is_typed=dialect.name != "sqlite"
    )
    parts = [_select_checkpoints(projections, layout), _select_streams(projections, layout)]
    for kind, each in enumerate(projections):
        rows = _select_rows(kind, each, layout)
        parts.append(rows.where(_is_last(each)) if last and each.is_history else rows)
    first, *others = parts
    condition = _condition(by, dialect.name)
    compiled = union_all(first, *(each.where(condition) for each in others)).compile(
        dialect=dialect
    )
    readers = [_reader(each, layout, dialect) for each in projections]
    times = len(compiled.positiontup or ())
    if times:
        return _Prepared(str(compiled), lambda value: (value,) * times, readers)
    return _Prepared(str(compiled), lambda value: {"key": value}, readers)


def _select_checkpoints(projections: tuple[Projection, ...], layout: UnionLayout) -> Select[Any]:
    names = [each.name for each in projections]
    numbers = [
        func.min(checkpoint.c.position),
        cast(func.count(), BigInteger),
        select(log_head.c.position).scalar_subquery(),
    ]
    row = [literal_column(str(_CHECKPOINTS)), null(), null(), *layout.fill(numbers)]
    return select(*row).where(checkpoint.c.projection.in_(map(_quoted, names)))


def _select_streams(projections: tuple[Projection, ...], layout: UnionLayout) -> Select[Any]:
    names = [_quoted(each.name) for each in projections]
    # With EXISTS, Postgres may go through the dead letters of all streams first. Limit and offset
    # are literals, because the only parameters are those of `_condition`.
    dead = (
        select(literal_column("1"))
        .where(dead_letter.c.projection.in_(names), dead_letter.c.stream_id == stream.c.stream_id)
        .limit(literal_column("1"))
        .offset(literal_column("0"))
        .scalar_subquery()
    )
    value = func.coalesce(dead, literal_column("0"))
    row = [
        literal_column(str(_STREAM)),
        *_customer_of(stream),
        *layout.fill([cast(value, BigInteger)]),
    ]
    return select(*row)


def _select_rows(kind: int, projection: Projection, layout: UnionLayout) -> Select[Any]:
    table = table_of(projection)
    row = [literal_column(str(kind)), *_customer_of(stream), *layout.fill(_columns(projection))]
    return select(*row).select_from(stream).join(table, same_customer(stream, table))


def _is_last(projection: Projection) -> ColumnElement[bool]:
    """Return whether a row of a history is the last one of its series."""
    table = table_of(projection)
    later = table.alias()
    same = (
        later.c[name] == table.c[name]
        for name in ("project_id", "customer_id", *projection.key[:-1])
    )
    number: str = projection.key[-1]
    return ~exists().where(*same, later.c[number] > table.c[number])


def _condition(by: By, dialect: str) -> ColumnElement[bool]:
    if by is By.IDS:
        return in_array(dialect, stream.c.customer_id, "key")
    if by is By.ID:
        return stream.c.customer_id == bindparam("key")
    table = table_of(customer.PROJECTION)
    having_it = select(table.c.project_id, table.c.customer_id).where(
        table.c.source_id == bindparam("key")
    )
    return tuple_(stream.c.project_id, stream.c.customer_id).in_(having_it)


def _reader(projection: Projection, layout: UnionLayout, dialect: Dialect) -> _Reader:
    columns = _columns(projection)
    converters = [
        (index, convert)
        for index, column in enumerate(columns)
        if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
    ]
    slots = [_FIXED + slot for slot in layout.slots(columns)]
    return _Reader(projection, itemgetter(*slots), converters)


def _columns(projection: Projection) -> list[Column[Any]]:
    """Return the columns of a projection's table that are fields of its row."""
    return list(table_of(projection).columns)[2:]


def _customer_of(table: Table) -> list[Column[str]]:
    return [table.c.project_id, table.c.customer_id]


def _quoted(name: str) -> ColumnElement[str]:
    """Return the name of a projection, which needs no escaping, as a literal."""
    return literal_column(f"'{name}'", Key)
