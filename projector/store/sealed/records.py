"""Reads events as the records that are sealed; see `projector.tlog.record`.

Values are taken as they are stored, without type conversion, so that no invalid one goes unseen or
cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from projector.store.driver_rows import stream_range
from projector.tlog import record

# ruff: noqa: S608 - the names in these statements are those of our own tables

#: The customer of the stream, unless another program has removed that. A subquery and no join:
#: Postgres would sort the bodies for a merge join, or go through all streams for a hash join.
_CUSTOMER = (
    "coalesce((SELECT stream.customer_id FROM stream WHERE stream.stream_id = event.stream_id), '')"
)

_INSTANT = (
    "CASE WHEN {0} >= '0001-01-01' AND {0} < 'infinity'"
    """ THEN to_char({0}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') ELSE CAST({0} AS TEXT) END"""
)

_ON_SQLITE = {"customer_id": _CUSTOMER}
_ON_POSTGRES = {
    "late": "CASE WHEN event.late THEN '1' ELSE '0' END",
    "customer_id": _CUSTOMER,
    "occurred_at": _INSTANT.format("event.occurred_at"),
    "received_at": _INSTANT.format("event.received_at"),
}


#: The condition of the partial index `event_erased_idx`, word for word: no other way to say it
#: makes the databases use the index.
_OF_INDEX = "event.source IN ('erased', 'projector')"


def _statement(cast_to: str, expressions: dict[str, str], source: str | None = None) -> str:
    names = ("position", *record.FIELDS, "body")
    columns = (expressions.get(name, f"event.{name}") for name in names)
    only = "" if source is None else f" AND {_OF_INDEX} AND event.source = '{source}'"
    return (
        f"SELECT {', '.join(cast_to.format(each) for each in columns)}"
        f" FROM event WHERE event.position > {{0}} AND event.position <= {{0}}{only}"
        " ORDER BY event.position"
    )


def _statements(source: str | None = None) -> dict[str, str]:
    """Return the statement of a scan on each database."""
    return {
        # As bytes: another program may have stored text that is not UTF-8.
        "sqlite": _statement("CAST({} AS BLOB)", _ON_SQLITE, source),
        "postgresql": _statement("CAST({} AS TEXT)", _ON_POSTGRES, source),
    }


_SCAN = _statements()
_SCAN_MARKERS = _statements("erased")
_SCAN_OWN = _statements("projector")


def scan(connection: Connection, *, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Yield the position and the record of each event with after < position <= until, in order.

    On Postgres no other statement of the connection may be sent meanwhile.
    """
    return _scan(connection, _SCAN, after, until)


def scan_markers(connection: Connection, *, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Yield, as `scan` does, the events whose source is that of erased events."""
    return _scan(connection, _SCAN_MARKERS, after, until)


def scan_own(connection: Connection, *, after: int, until: int) -> Iterator[tuple[int, bytes]]:
    """Yield, as `scan` does, the program's own events, which tell of erasures."""
    return _scan(connection, _SCAN_OWN, after, until)


def _scan(
    connection: Connection, statements: dict[str, str], after: int, until: int
) -> Iterator[tuple[int, bytes]]:
    is_sqlite = connection.dialect.name == "sqlite"
    statement = statements[connection.dialect.name]
    for row in stream_range(connection, statement, after=after, until=until):
        yield int(row[0]), record.join(row if is_sqlite else map(str.encode, row))
