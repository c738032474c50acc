"""Somebody changes the tables by plain SQL: every cell of them, to every kind of wrong value.

A case is a customer's, so that many can be tried at once: each has the same history, and so the
same rows, of which one cell is changed.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from attrs import frozen
from sqlalchemy import BigInteger, Boolean, Column, Date, Table, select

from projector.store.database import Database
from projector.store.types import Instant
from replay.comparison import Difference
from tests.support.databases import projection_tables
from tests.support.given import (
    Delivery,
    created,
    delivery,
    entered,
    joined,
    left,
    tier,
    tier_left,
    upgraded,
)

PROJECT = "proj_1"

#: Differences by customer.
Found = dict[tuple[Any, Any], list[Difference]]


def life(customer_id: str, *, at: int = 1) -> list[Delivery]:
    """What happens to a customer who has rows in every table, with null and without."""
    day = [f"2024-03-{at + number:02}T10:00:00Z" for number in range(10)]
    told = {"source_id": "shop_1", "email": "ada@shop.test", "metadata": {"vip": True}}
    silver = tier("ltr_1", 1, 5, expiration={"expiration_date": "2025-06-30"})
    gold = tier("ltr_2", 6, 9, expiration={"expiration_date": "2025-12-31"})
    return [
        created(customer_id, at=day[0], name="Ada", created_at="2024-01-01T00:00:00Z", **told),
        entered(customer_id, "seg_1", at=day[1]),
        left(customer_id, "seg_1", at=day[2]),
        entered(customer_id, "seg_1", at=day[3]),
        # The entry was lost.
        left(customer_id, "seg_2", at=day[4]),
        joined(customer_id, silver, at=day[5]),
        upgraded(customer_id, silver, gold, at=day[6]),
        joined(customer_id, "ltr_3", "camp_2", at=day[7]),
        tier_left(customer_id, "ltr_3", "camp_2", at=day[8]),
    ]


def rowless(customer_id: str) -> Delivery:
    """What happens to a customer who is known to the log and to no table."""
    return delivery("projector.offer.sent", customer_id, at="2024-03-01T10:00:00Z")


def rows_of(database: Database, table: Table) -> dict[str, list[dict[str, Any]]]:
    """The rows of each customer by their keys, a row by its columns."""
    found: dict[str, list[dict[str, Any]]] = {}
    with database.reading() as connection:
        for row in connection.execute(select(table).order_by(*table.primary_key)).mappings():
            found.setdefault(row["customer_id"], []).append(dict(row))
    return found


def told(row: dict[str, Any]) -> dict[str, Any]:
    """A row as a difference tells it."""
    return {name: _told(value) for name, value in row.items()}


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value.isoformat() if isinstance(value, date) else value


def literal(value: Any) -> str:
    """A value as SQL writes it, on both databases."""
    if value is None or isinstance(value, bool | int):
        return "NULL" if value is None else str(value)
    return "'{}'".format(str(_told(value)).replace("'", "''"))


@frozen
class Wrong:
    """A value that does not belong there: as SQL writes it, and as it is told when it is found."""

    sql: str
    told: Any


def _is(value: Any) -> Wrong:
    return Wrong(literal(value), _told(value))


@frozen
class Case:
    """One cell changed, and what is to be found then."""

    sql: str
    found: Found


def cases(database: Database, name: str) -> Iterator[Case]:
    """Each cell of a customer's rows in a table changed to each wrong value: of another each."""
    table = projection_tables[name]
    lives = iter(rows_of(database, table).values())
    for number, row in enumerate(next(lives)):
        for column in table.columns:
            for wrong in wrong_values(column, row[column.name], sqlite=database.is_sqlite):
                yield _case(table, next(lives)[number], column, wrong)


def _case(table: Table, row: dict[str, Any], column: Column[Any], wrong: Wrong) -> Case:
    sql = f"UPDATE {table.name} SET {column.name} = {wrong.sql} WHERE {key_of(table, row)}"
    changed = {**told(row), column.name: wrong.told}
    if column.primary_key:
        # By its key it is another row: one that should be there is not, and the other way round.
        return Case(sql, merged(missing(table, row), surplus(table, changed)))
    cell = Difference(
        projection=table.name,
        key=_told_key(table, row),
        column=column.name,
        expected=_told(row[column.name]),
        found=wrong.told,
    )
    return Case(sql, {(row["project_id"], row["customer_id"]): [cell]})


def key_of(table: Table, row: dict[str, Any]) -> str:
    """The condition that only this row meets."""
    keys = [each.name for each in table.primary_key]
    return " AND ".join(f"{key} = {literal(row[key])}" for key in keys)


def _told_key(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """What tells a row apart among its customer's."""
    return {each.name: row[each.name] for each in [*table.primary_key][2:]}


def missing(table: Table, row: dict[str, Any]) -> Found:
    """What is found when a row is not there."""
    return {_owner(row): [_whole(table, row, expected=told(row), found=None)]}


def surplus(table: Table, row: dict[str, Any]) -> Found:
    """What is found when there is a row that should not be."""
    return {_owner(row): [_whole(table, row, expected=None, found=told(row))]}


def merged(*found: Found) -> Found:
    """All of it, a customer's together."""
    result: Found = {}
    for each in found:
        for owner, differences in each.items():
            result[owner] = sorted([*result.get(owner, []), *differences], key=repr)
    return result


def _owner(row: dict[str, Any]) -> tuple[Any, Any]:
    return row["project_id"], row["customer_id"]


def _whole(table: Table, row: dict[str, Any], *, expected: Any, found: Any) -> Difference:
    return Difference(
        projection=table.name,
        key=_told_key(table, row),
        column=None,
        expected=expected,
        found=found,
    )


def wrong_values(column: Column[Any], value: Any, *, sqlite: bool) -> list[Wrong]:
    """What could stand in a column in the place of a value."""
    wrong = [_is(each) for each in _of_its_kind(column, value)]
    if column.nullable and value is not None:
        wrong.append(Wrong("NULL", None))
    wrong += _of_sqlite(column, value) if sqlite else _of_postgres(column)
    return wrong


def _of_its_kind(column: Column[Any], value: Any) -> list[Any]:
    if isinstance(column.type, Boolean):
        return [not value]
    if isinstance(column.type, BigInteger):
        return [7, -1] if value is None else [value + 7, -(2**63)]
    if isinstance(column.type, Instant):
        if value is None:
            return [datetime(2024, 3, 1, tzinfo=UTC)]
        return [value + timedelta(microseconds=1), value - timedelta(days=1)]
    if isinstance(column.type, Date):
        return [date(2024, 2, 29), date(9999, 12, 31)]
    return ["another", "\\xff", *([""] if value != "" else []), *([f"{value} "] if value else [])]


def _of_sqlite(column: Column[Any], value: Any) -> list[Wrong]:
    """SQLite keeps anything anywhere; a column's type only says what it would rather have."""
    blob = [Wrong("x'00ff'", b"\0\xff"), Wrong("x''", b"")]
    if isinstance(column.type, Boolean):
        return [Wrong("2", 2), Wrong("'x'", "x"), Wrong("0.5", 0.5), *blob]
    if isinstance(column.type, BigInteger):
        return [Wrong("'x'", "x"), Wrong("0.5", 0.5), *blob]
    if isinstance(column.type, Date):
        compact = [] if value is None else [Wrong(f"'{value:%Y%m%d}'", int(f"{value:%Y%m%d}"))]
        return [Wrong("'x'", "x"), *compact, *blob]
    broken = Wrong("CAST(x'61ff' AS TEXT)", b"a\xff")
    if isinstance(column.type, Instant):
        return [_is("x"), broken, *blob, *([] if value is None else _in_other_notations(value))]
    if value is None:
        return [broken, *blob]
    of_the_same_bytes = f"CAST({literal(value)} AS BLOB)"
    cut_by_nul = f"{value}\0"
    return [
        broken,
        Wrong(of_the_same_bytes, value.encode()),
        Wrong(f"CAST(x'{cut_by_nul.encode().hex()}' AS TEXT)", cut_by_nul),
        *blob,
    ]


def _in_other_notations(value: datetime) -> list[Wrong]:
    """The same instant."""
    text: str = _told(value)
    return [
        _is(text.replace("Z", "+00:00")),
        _is(text.replace("T", " ")),
        _is(text.replace(".000000", "")),
    ]


def _of_postgres(column: Column[Any]) -> list[Wrong]:
    if isinstance(column.type, Instant):
        return [
            Wrong("'infinity'", "infinity"),
            Wrong("'-infinity'", "-infinity"),
            Wrong("'0044-03-15 12:00:00 BC'", "0044-03-15 12:00:00+00 BC"),
            Wrong("'10000-01-01 00:00:00Z'", "10000-01-01T00:00:00.000000Z"),
        ]
    if isinstance(column.type, Date):
        return [
            Wrong("'infinity'", "infinity"),
            Wrong("'-infinity'", "-infinity"),
            Wrong("'0044-03-15 BC'", "0044-03-15 BC"),
            Wrong("'10000-01-01'", "10000-01-01"),
        ]
    return []
