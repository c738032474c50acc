"""Keeps what customers are called out of the planner's statistics of Postgres.

These hold values of rows, and outlive the rows: ANALYZE of an empty table leaves them as they are.
Columns of text that is no identifier are in no index, so the planner needs none of them.
"""

from __future__ import annotations

from sqlalchemy import Connection, Text

from projector.projections.projection import Projection
from projector.store.row_tables import table_of
from projector.store.types import Key


def leave_out_texts(connection: Connection, projection: Projection) -> None:
    """Let ANALYZE leave out the columns of a projection's table, or of its shadow, with texts."""
    names = text_columns(projection)
    if names and connection.dialect.name != "sqlite":
        actions = ", ".join(f"ALTER COLUMN {name} SET STATISTICS 0" for name in names)
        connection.exec_driver_sql(f"ALTER TABLE {projection.name} {actions}")


def text_columns(projection: Projection) -> list[str]:
    """Return the columns with text that is no identifier, such as names."""
    columns = table_of(projection).columns
    return [each.name for each in columns if isinstance(each.type, Text) and each.type is not Key]
