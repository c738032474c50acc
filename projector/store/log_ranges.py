"""Reads ranges of the log column by column, with the customers: for copies of whole events."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from projector.errors import LogUnreadable
from projector.store import dialects
from projector.store.read_errors import is_unreadable
from projector.store.types import INSTANT_CHARACTERS, all_to_sqlite

#: The columns of a range, in this order.
COLUMNS = (
    "position",
    "project_id",
    "event_id",
    "type",
    "stream_id",
    "customer_id",
    "occurred_at",
    "received_at",
    "late",
    "source",
    "body",
)

#: The most rows of a block.
BLOCK_ROWS_MAX = 2000

#: A block ends once its bodies have so many characters.
BLOCK_CHARACTERS_MAX = 32 * 1024 * 1024

#: The number of rows that are taken from the driver at once.
_FETCH_ROWS = 100

#: The values of each of COLUMNS, for up to BLOCK_ROWS_MAX events. Instants are text, RFC 3339 in
#: UTC with six digits of a second, as SQLite stores them.
Block = tuple[Sequence[Any], ...]

_BODY = COLUMNS.index("body")
_LATE = COLUMNS.index("late")
_INSTANTS = (COLUMNS.index("occurred_at"), COLUMNS.index("received_at"))

_FLAGS = {0: False, 1: True}

_RANGE = (
    "SELECT position, event.project_id, event_id, type, event.stream_id, customer_id,"
    " occurred_at, received_at, late, source, body"
    " FROM event LEFT JOIN stream ON stream.stream_id = event.stream_id"
    " WHERE position > {0} AND position <= {0} ORDER BY position"
)


def read(connection: Connection, *, after: int, until: int) -> Generator[Block]:
    """Yield the events with after < position <= until, by position, in blocks of columns.

    Rows are the driver's, because SQLAlchemy's work per row would take as long as the reading
    itself. On Postgres, to close the generator before its end is to cancel the statement, with its
    transaction. Raises LogUnreadable.
    """
    is_sqlite = connection.dialect.name == "sqlite"
    fetch, convert = (_fetch_sqlite, _from_sqlite) if is_sqlite else (_fetch_postgres, _from_driver)
    driver: Any = connection.connection.driver_connection
    try:
        for rows in _blocks(fetch(driver, after, until)):
            yield convert(rows)
    except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
        if isinstance(error, sqlite3.Error) and not is_unreadable(error):
            raise
        url = dialects.redact(connection.engine.url)
        raise LogUnreadable(url=url, first=after + 1, last=until, reason=error) from error


def read_one(connection: Connection, position: int) -> tuple[Any, ...] | None:
    """Return the values of COLUMNS of the event at a position; None if there is none."""
    for block in read(connection, after=position - 1, until=position):
        return tuple(column[0] for column in block)
    return None


def _fetch_sqlite(driver: Any, after: int, until: int) -> Iterator[list[tuple[Any, ...]]]:
    cursor = driver.execute(_RANGE.format("?"), (after, until))
    while rows := cursor.fetchmany(_FETCH_ROWS):
        yield rows


def _fetch_postgres(driver: Any, after: int, until: int) -> Iterator[list[tuple[Any, ...]]]:
    from psycopg import capabilities

    # Rows are taken from the one answer as they come, in chunks: see `log.scan`.
    size = _FETCH_ROWS if capabilities.has_stream_chunked() else 1
    with driver.cursor(binary=True) as cursor:
        rows = cursor.stream(_RANGE.format("%s"), (after, until), size=size)
        while some := list(islice(rows, _FETCH_ROWS)):
            yield some


def _blocks(pieces: Iterator[list[tuple[Any, ...]]]) -> Iterator[list[tuple[Any, ...]]]:
    """Put pieces together to blocks, which are bounded in rows and in bytes."""
    block: list[tuple[Any, ...]] = []
    size = 0
    for rows in pieces:
        block += rows
        size += sum([len(row[_BODY]) for row in rows])
        if len(block) >= BLOCK_ROWS_MAX or size >= BLOCK_CHARACTERS_MAX:
            yield block
            block, size = [], 0
    if block:
        yield block


def _from_sqlite(rows: list[tuple[Any, ...]]) -> Block:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    # A conversion by bool() would hide that another program has written something else.
    columns[_LATE] = list(map(_FLAGS.__getitem__, columns[_LATE]))
    for index in _INSTANTS:
        if set(map(len, columns[index])) != {INSTANT_CHARACTERS}:
            raise ValueError("an instant has not the width of instants")
    return tuple(columns)


def _from_driver(rows: list[tuple[Any, ...]]) -> Block:
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
    for index in _INSTANTS:
        columns[index] = all_to_sqlite(columns[index])
    return tuple(columns)
