"""Rows built beside the live ones, in temporary tables: seen by nobody else, gone with a crash."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Column, Connection, MetaData, Table, delete, insert, select

from projector.fold import Projection
from projector.store import bulk, digest, state, tables


def create(connection: Connection, projection: Projection) -> None:
    """An empty shadow of a projection's table, for this connection."""
    shadow = _shadow(projection)
    shadow.drop(connection, checkfirst=True)
    shadow.create(connection)


def fill(connection: Connection, projection: Projection, rows: state.Rows) -> int:
    """Add rows to the shadow; returns what they add to the digest."""
    values = state.as_values(projection, rows)
    bulk.insert_many(connection, _shadow(projection), values)
    return digest.of(values)


def swap(connection: Connection, projection: Projection) -> int:
    """Put the shadow's rows in the place of the live ones; returns how many they are."""
    shadow, live = _shadow(projection), tables.state[projection.name]
    connection.execute(delete(live))
    names = [column.name for column in live.columns]
    moved = insert(live).from_select(names, select(shadow))
    count = connection.execute(moved.execution_options(preserve_rowcount=True)).rowcount
    shadow.drop(connection)
    return count


@cache
def _shadow(projection: Projection) -> Table:
    """The live table's columns without its indexes: it is filled once and read once."""
    live = tables.state[projection.name]
    columns = [Column(column.name, column.type) for column in live.columns]
    return Table(f"{live.name}_shadow", MetaData(), *columns, prefixes=["TEMPORARY"])
