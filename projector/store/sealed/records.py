"""Reads events as the records that are sealed; see `projector.tlog.record`.

Values are taken as they are stored, without type conversion, so that no invalid one goes unseen or
cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from projector.store.driver_rows import stream_range
from projector.tlog import record

# ruff: noqa: S608 - the names in these statements are those of our own tables

#: A customer of the stream, if there is one: another program may have removed the stream.
_CUSTOMER = "coalesce(stream.customer_id, '')"

_FORM = (
    "CASE WHEN {0} >= '0001-01-01' AND {0} < 'infinity'"
    """ THEN to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST({0} AS TEXT) END"""
)

_ON_SQLITE = {"late": "CAST(event.late AS TEXT)", "customer_id": _CUSTOMER}
_ON_POSTGRES = {
    "late": "CASE WHEN event.late THEN '1' ELSE '0' END",
    "customer_id": _CUSTOMER,
    "occurred_at": _FORM.format("event.occurred_at"),
    "received_at": _FORM.format("event.received_at"),
}


def _statement(expressions: dict[str, str]) -> str:
    columns = ", ".join(expressions.get(name, f"event.{name}") for name in record.FIELDS)
    return (
        f"SELECT CAST(event.position AS TEXT), {columns}, event.body"
        " FROM event LEFT JOIN stream ON stream.stream_id = event.stream_id"
        " WHERE event.position > {0} AND event.position <= {0} ORDER BY event.position"
    )


_SCAN_SQLITE = _statement(_ON_SQLITE)
_SCAN_POSTGRES = _statement(_ON_POSTGRES)


def scan(connection: Connection, *, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Yield the position and the record of each event with after < position <= until, in order.

    No other statement of the connection may be used meanwhile.
    """
    if connection.dialect.name == "sqlite":
        with _text_as_bytes(connection):
            for row in stream_range(connection, _SCAN_SQLITE, after=after, until=until):
                yield int(row[0]), record.join(row)
        return
    for row in stream_range(connection, _SCAN_POSTGRES, after=after, until=until):
        yield int(row[0]), record.join(map(str.encode, row))


@contextmanager
def _text_as_bytes(connection: Connection) -> Iterator[None]:
    """Read text of SQLite as bytes, whatever they are."""
    driver: Any = connection.connection.driver_connection
    driver.text_factory = bytes
    try:
        yield
    finally:
        driver.text_factory = str
