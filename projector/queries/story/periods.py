"""Reads a customer's periods in segments and on tiers: of each series the newest ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.projections.projection import Projection
from projector.queries import past
from projector.store import history_rows, table_rows

#: The maximum number of periods that are returned of one segment, or in one campaign.
PERIODS_MAX = 200


def newest(projection: Projection, rows: Sequence[Any]) -> list[Any]:
    """Return the newest periods of each series of a history, by series and number."""
    [series, number] = projection.key
    last: dict[str, int] = {}
    for row in rows:
        row_id = getattr(row, series)
        last[row_id] = max(last.get(row_id, 0), getattr(row, number))
    kept = [row for row in rows if getattr(row, number) > last[getattr(row, series)] - PERIODS_MAX]
    return sorted(kept, key=lambda row: (getattr(row, series), getattr(row, number)))


def read_now(connection: Connection, projection: Projection, customer: CustomerKey) -> list[Any]:
    """Return the newest periods of a history, as its table has them; raises RowsUnreadable."""
    last = table_rows.load_last(connection, projection, [customer]).get(customer, [])
    since = [replace(row, period=max(1, row.period - PERIODS_MAX + 1)) for row in last]
    rows = history_rows.load_since(connection, projection, customer, since, last=last)
    return newest(projection, rows)


def read_then(
    connection: Connection, projection: Projection, customer: CustomerKey, *, until: int
) -> list[Any]:
    """Return the newest periods of a history, as they were known at a position.

    The fold begins at a snapshot, which has the last period of each series only: the earlier ones
    are those of the table, because the snapshot would be gone if a late event had changed them.
    Raises RowsUnreadable.
    """
    states = past.states_at(connection, [projection], customer, until=until, as_of=None)
    rows = projection.to_rows(states[projection.name].state)
    first: dict[str, Any] = {}
    [series, _] = projection.key
    for row in rows:
        known = first.get(getattr(row, series))
        if known is None or row.period < known.period:
            first[getattr(row, series)] = row
    earlier = []
    for row in first.values():
        if row.period > 1:
            since = replace(row, period=max(1, row.period - PERIODS_MAX))
            found = history_rows.load_since(connection, projection, customer, [since], last=[row])
            earlier += [each for each in found if each.period < row.period]
    return newest(projection, [*earlier, *rows])
