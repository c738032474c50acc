"""The export of every customer's state, one at a time, in constant memory."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.queries.customer_state import PROJECTIONS, CustomerState, state_from_rows
from projector.queries.customers import NOW, PointInTime, log_end
from projector.runner.batch import fold_streams
from projector.store import checkpoints, customers, dead_letters, log, table_rows
from projector.store.database import Database

#: The maximum number of customers that are folded in one batch.
PIECE_CUSTOMERS_MAX = 1_000

#: A customer's row with the name of its projection; for a dead letter the name is empty and the
#: row is None.
_Piece = tuple[CustomerKey, str, Any]


def export_customers(
    database: Database, *, at_position: int | None = None
) -> Generator[CustomerState]:
    """Yield the states of all customers, ordered by project and customer, from one snapshot.

    They come from the tables, or with `at_position` from the log up to it. Raises PositionUnknown.
    """
    with database.reading_tables() as connection:
        if at_position is None:
            yield from _from_tables(connection)
        else:
            until = log_end(connection, PointInTime(at_position=at_position))
            yield from _from_log(connection, until)


def _from_tables(connection: Connection) -> Iterator[CustomerState]:
    """Yield states by a merge join of the tables' rows, each table in the order of its key."""
    position, day = checkpoints.least_position(connection, PROJECTIONS), NOW.day()
    names = [each.name for each in PROJECTIONS]
    with ExitStack() as stack:
        scans = [
            stack.enter_context(closing(table_rows.scan(connection, each))) for each in PROJECTIONS
        ]
        sources: list[Iterable[_Piece]] = list(map(_pieces, names, scans))
        sources.append((key, "", None) for key in dead_letters.customers_with(connection, names))
        for key, pieces in groupby(merge(*sources, key=itemgetter(0)), key=itemgetter(0)):
            rows: dict[str, list[Any]] = {}
            for _, name, row in pieces:
                rows.setdefault(name, []).append(row)
            complete = "" not in rows
            state = state_from_rows(key, rows=rows, complete=complete, position=position, day=day)
            if state is not None:
                yield state


def _pieces(name: str, rows: Iterable[tuple[CustomerKey, Any]]) -> Iterator[_Piece]:
    return ((key, name, row) for key, row in rows)


def _from_log(connection: Connection, until: int) -> Iterator[CustomerState]:
    """Yield states by folding the streams, in the order of their customers, in batches."""
    all_customers, day = customers.in_order(connection), NOW.day()
    while batch := dict(islice(all_customers, PIECE_CUSTOMERS_MAX)):
        events = log.read_streams(connection, list(batch), until=until)
        changes = fold_streams(PROJECTIONS, events)
        incomplete = {each.stream_id for change in changes for each in change.dead_letters}
        for stream_id, key in batch.items():
            state = state_from_rows(
                key,
                rows={
                    each.name: change.new.get(key, [])
                    for each, change in zip(PROJECTIONS, changes, strict=True)
                },
                complete=stream_id not in incomplete,
                position=until,
                day=day,
            )
            if state is not None:
                yield state
