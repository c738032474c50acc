"""Group reads: customers who are asked for at the same time are read in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from projector.queries.customer_state import Answer
from projector.queries.customers import only_one
from projector.queries.lookup import read_customers
from projector.server.batcher import Bounds, Group
from projector.server.positions import Reached
from projector.store import log
from projector.store.database import Database

#: In questions, each of which weighs one.
BOUNDS = Bounds(together_max=100, together_weight_max=100, waiting_weight_max=10_000)

#: Whose state is asked for: a customer's id, and its project if that is told.
Who = tuple[str, str | None]

Found = tuple[Answer, Reached]


class Reader:
    """The one who reads. Its methods belong to the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: Group[Who, Found] = Group(self._read, BOUNDS, name="reader")
        self.run, self.stop = self._group.run, self._group.stop

    async def customer(self, identifier: str, project_id: str | None) -> Found:
        """A customer's state as it is now; raises what query.find_customer raises."""
        return await self._group.do((identifier, project_id))

    def _read(self, batch: Sequence[Who]) -> Sequence[Found | Exception]:
        try:
            with self._database.reading_tables() as connection:
                found, position = read_customers(connection, [who[0] for who in batch])
                reached = Reached(position, log.head(connection))
        except Exception as error:
            return [error] * len(batch)
        results: list[Found | Exception] = []
        for identifier, project_id in batch:
            answers = [
                each for each in found.get(identifier, ()) if project_id in (None, each.project_id)
            ]
            try:
                results.append((only_one(answers, identifier, project_id), reached))
            except Exception as error:
                results.append(error)
        return results
