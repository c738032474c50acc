"""Customers' states now, by the direct path."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from projector.envelope import id_problem
from projector.queries.customer_state import PROJECTIONS, CustomerState, state_from_rows
from projector.store import customer_rows
from projector.store.customer_rows import By
from projector.store.database import Database


class StatesNow(NamedTuple):
    """The states of some customers, and the positions that belong to them, at one moment."""

    #: By project and customer.
    states: list[CustomerState]
    #: The position of the log up to which the states reflect every event.
    position: int
    #: The position of the last event in the log.
    head: int


def find_by(database: Database, by: By, key: str) -> StatesNow | None:
    """Return the states of all customers with an id or a source_id.

    None if the ordinary path must be taken: see `customer_rows.read`.
    """
    # Such a text cannot be a parameter of a SQL statement.
    return None if id_problem(key) else _find(database, by, key)


def find_by_ids(database: Database, identifiers: Sequence[str]) -> StatesNow | None:
    """Return the states of all customers with one of the ids, or None as `find_by` does."""
    ids = [each for each in identifiers if id_problem(each) is None]
    return _find(database, By.ID, ids[0]) if len(ids) == 1 else _find(database, By.IDS, ids)


def _find(database: Database, by: By, key: str | Sequence[str]) -> StatesNow | None:
    snapshot = customer_rows.read(database, PROJECTIONS, by, key)
    if snapshot is None:
        return None
    found, position, head = snapshot
    day = datetime.now(UTC).date()
    states = (
        state_from_rows(customer, rows=rows, complete=complete, position=position, day=day)
        for customer, (rows, complete) in sorted(found.items())
    )
    return StatesNow([each for each in states if each is not None], position, head)
