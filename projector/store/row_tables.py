"""Defines the tables of projections from the rows that they keep."""

from __future__ import annotations

import types
import typing
from datetime import date, datetime
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from attrs import Attribute, asdict
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeEngine

from projector.projections.projection import Identifier, Projection
from projector.projections.rebuilding import SHADOW
from projector.store.types import Instant, Key

_COLUMN_TYPES: dict[type, TypeEngine[Any]] = {
    str: Text(),
    bool: Boolean(),
    int: BigInteger(),
    datetime: Instant(),
    date: Date(),
}


@cache
def table_of(projection: Projection) -> Table:
    """Return the table of a projection, or of its shadow.

    Constraints have the live table's names also in a shadow: on SQLite, where only the names of
    tables must differ, the schema is then identical after a swap.
    """
    live_name = projection.name.removesuffix(SHADOW)
    identity = ("project_id", "customer_id", *projection.key)
    return Table(
        projection.name,
        MetaData(),
        Column("project_id", Key, nullable=False),
        Column("customer_id", Key, nullable=False),
        *_row_columns(projection),
        PrimaryKeyConstraint(*identity, name=f"{live_name}_pkey"),
        *(_index(live_name, columns, identity) for columns in projection.indexes),
    )


@cache
def fingerprint(projection: Projection) -> str:
    """Return the hash of a projection's layout: columns, key, indexes and memberships."""
    columns = [
        [str(each.name), type(each.type).__name__, each.nullable]
        for each in _row_columns(projection)
    ]
    parts: list[Any] = [columns, projection.key, projection.indexes]
    if projection.memberships is not None:
        # The sizes of groups are kept with the rows.
        parts.append(asdict(projection.memberships, filter=_is_in_layout))
    layout = msgspec.json.encode(parts)
    return blake2b(layout, digest_size=8).hexdigest()


def _is_in_layout(attribute: Attribute[Any], value: Any) -> bool:
    """Return whether a value of memberships is hashed: a new one is not, where it is not used."""
    return attribute.name != "lasts" or value is not None


def _row_columns(projection: Projection) -> list[Column[Any]]:
    hints = typing.get_type_hints(projection.row, include_extras=True)
    return [_column(name, hints[name], is_key=name in projection.key) for name in projection.fields]


def _column(name: str, annotation: Any, *, is_key: bool) -> Column[Any]:
    """Return the column for a field of a row, annotated as `T`, or as `T | None` if nullable.

    Identifiers, and keys that are strings, are ordered by their bytes.
    """
    is_optional = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if is_optional else (annotation,)
    [kind] = [kind for kind in kinds if kind is not types.NoneType]
    is_identifier = kind == Identifier or (is_key and kind is str)
    column_type = Key if is_identifier else _COLUMN_TYPES[kind]
    return Column(name, column_type, nullable=is_optional, autoincrement=False)


def _index(live_name: str, columns: tuple[str, ...], identity: tuple[str, ...]) -> UniqueConstraint:
    """Return an index over columns, as a UNIQUE constraint: with the primary key they are unique.

    A swap needs a constraint, because SQLite renames those with their table, but cannot rename an
    index. The name contains only the first column: with all of them it is too long for Postgres.
    """
    more = [name for name in identity if name not in columns]
    return UniqueConstraint(*columns, *more, name=f"{live_name}_{columns[0]}_key")
