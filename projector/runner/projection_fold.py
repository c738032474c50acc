"""Holds one projection's part of a batch while it is folded, and the change that it makes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CanonicalKey, CustomerKey
from projector.projections.projection import Projection, Row, State
from projector.projections.snapshots import TakenSnapshot, pack
from projector.runner.isolation import blaming
from projector.store import table_rows
from projector.store.dead_letters import DeadLetter
from projector.store.table_rows import Rows


class LateStream(NamedTuple):
    """A stream with a late event in a batch."""

    customer: CustomerKey
    #: The least key of its late events.
    key: CanonicalKey


@frozen
class ProjectionChange:
    """The change that a batch makes to one projection."""

    #: The rows of the batch's customers before and after it, as far as they were loaded: of a
    #: history the last row of each series, unless the stream was refolded; then those that the
    #: refold may change. `old` is empty if `fold_streams` folded whole streams.
    old: Rows
    new: Rows
    dead_letters: list[DeadLetter]
    #: The streams that were folded from their first event, because one of their events was late.
    refolded: list[int]
    #: The streams that were folded from a snapshot, for the same reason, each with its key.
    refolded_after: Mapping[int, CanonicalKey]
    #: The new snapshots.
    snapshots: list[TakenSnapshot]


@define
class ProjectionFold:
    """One projection's part of a batch, as far as it is folded."""

    projection: Projection
    old: dict[CustomerKey, list[Row]] = field(factory=dict)
    states: dict[CustomerKey, State] = field(factory=dict)
    dead_letters: list[DeadLetter] = field(factory=list)
    #: The streams with a late event that the projection reads.
    late: dict[int, LateStream] = field(factory=dict)
    refolded_after: dict[int, CanonicalKey] = field(factory=dict)
    snapshots: list[TakenSnapshot] = field(factory=list)
    #: Rows of histories that were taken out of `states`, because they do not change any more.
    finished: dict[CustomerKey, list[Row]] = field(factory=dict)

    def load(self, connection: Connection, customers: Iterable[CustomerKey]) -> None:
        """Load the states of the customers that are new to the batch."""
        new = [customer for customer in customers if customer not in self.states]
        with blaming(self.projection):
            self.add(new, table_rows.load_last(connection, self.projection, new))

    def add(self, customers: Iterable[CustomerKey], rows: Rows) -> None:
        """Add the states of customers to the batch, from their rows."""
        with blaming(self.projection):
            self.old.update(rows)
            for customer in customers:
                self.states[customer] = self.projection.from_rows(rows.get(customer, []))

    def add_dead_letter(self, position: int, stream_id: int | None, reason: str) -> None:
        """Record an event that the projection cannot fold as a dead letter."""
        self.dead_letters.append(DeadLetter(self.projection.name, position, stream_id, reason))

    def add_late(self, stream_id: int, customer: CustomerKey, key: CanonicalKey) -> None:
        """Record a late event that the projection reads."""
        known = self.late.get(stream_id)
        least = key if known is None else min(key, known.key)
        self.late[stream_id] = LateStream(customer, least)

    def take_snapshot(
        self, stream_id: int, customer: CustomerKey, key: CanonicalKey, position: int
    ) -> None:
        """Take a snapshot behind an event that is not late, so that it is the stream's last one."""
        with blaming(self.projection):
            packed, state, finished = pack(self.projection, self.states[customer])
        self.states[customer] = state
        self.finished.setdefault(customer, []).extend(finished)
        self.snapshots.append(TakenSnapshot(stream_id, key, position, position, packed))

    def change(self) -> ProjectionChange:
        """Compute the new rows from the states, and return the whole change."""
        to_rows = self.projection.to_rows
        with blaming(self.projection):
            new = {customer: to_rows(state) for customer, state in self.states.items()}
        for customer, rows in self.finished.items():
            new[customer] += rows
        whole = sorted(self.late.keys() - self.refolded_after.keys())
        return ProjectionChange(
            self.old, new, self.dead_letters, whole, self.refolded_after, self.snapshots
        )
