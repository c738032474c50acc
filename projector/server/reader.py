"""Group reads: customers who are asked for at the same time are read in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from projector.queries.customer_state import CustomerState
from projector.queries.customers import read_customers, require_one
from projector.server.batcher import Batcher, Bounds
from projector.server.positions import TablesPosition
from projector.store import log
from projector.store.database import Database

#: In questions, each of which weighs one.
BOUNDS = Bounds(together_max=100, together_weight_max=100, waiting_weight_max=10_000)

#: Whose state is asked for: a customer's id, and its project if that is told.
CustomerRequest = tuple[str, str | None]

StateAtPosition = tuple[CustomerState, TablesPosition]


class Reader:
    """The one who reads. Its methods belong to the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: Batcher[CustomerRequest, StateAtPosition] = Batcher(
            self._read, BOUNDS, name="reader"
        )
        self.run, self.stop = self._group.run, self._group.stop

    async def customer(self, identifier: str, project_id: str | None) -> StateAtPosition:
        """A customer's state as it is now; raises what query.find_customer raises."""
        return await self._group.do((identifier, project_id))

    def _read(self, batch: Sequence[CustomerRequest]) -> Sequence[StateAtPosition | Exception]:
        try:
            with self._database.reading_tables() as connection:
                found, position = read_customers(connection, [who[0] for who in batch])
                reached = TablesPosition(position, log.head(connection))
        except Exception as error:
            return [error] * len(batch)
        results: list[StateAtPosition | Exception] = []
        for identifier, project_id in batch:
            answers = [
                each for each in found.get(identifier, ()) if project_id in (None, each.project_id)
            ]
            try:
                results.append((require_one(answers, identifier, project_id), reached))
            except Exception as error:
                results.append(error)
        return results
