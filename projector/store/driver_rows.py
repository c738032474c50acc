"""Streams the rows of a statement as the driver returns them, for reading a whole log.

SQLAlchemy's work per row would take as long as the reading itself.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sqlalchemy import Connection

#: The number of rows that are in memory at once, of Postgres's.
STREAMED_ROWS = 100


def stream_range(
    connection: Connection, statement: str, *, after: int, until: int
) -> Generator[tuple[Any, ...]]:
    """Yield the rows of a statement whose two parameters, both `{0}`, are bounds of positions.

    On Postgres, to close the generator before its end is to cancel the statement, with its
    transaction.
    """
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        yield from driver.execute(statement.format("?"), (after, until))
        return
    from psycopg import capabilities

    # Rows are taken from the one answer as they come, in chunks. A server-side cursor takes half as
    # much again of both processes; before libpq 17, where there are no chunks, so does row by row.
    size = STREAMED_ROWS if capabilities.has_stream_chunked() else 1
    with driver.cursor() as cursor:
        yield from cursor.stream(statement.format("%s"), (after, until), size=size)
