"""Batches concurrent reads of single customers into one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from projector.errors import CustomerNotFound
from projector.queries import customers_now
from projector.queries.customer_state import CustomerState
from projector.queries.customers import by_id, read_customers, require_one
from projector.queries.erased import error_of, find_erased
from projector.server.batcher import Batcher, Bounds
from projector.server.positions import TablesPosition
from projector.store import log
from projector.store.database import Database

#: The limits, in requests; each weighs 1.
BOUNDS = Bounds(together_max=100, together_weight_max=100, waiting_weight_max=10_000)

#: A customer's id, and the project or None.
CustomerRequest = tuple[str, str | None]

StateAtPosition = tuple[CustomerState, TablesPosition]


class Reader:
    """The batched reads of customers' current states. Its methods belong to the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batcher: Batcher[CustomerRequest, StateAtPosition] = Batcher(
            self._read, BOUNDS, name="reader"
        )
        self.run, self.stop = self._batcher.run, self._batcher.stop

    async def read_customer(self, identifier: str, project_id: str | None) -> StateAtPosition:
        """Return a customer's current state; raise CustomerNotFound, CustomerAmbiguous or others.

        CustomerErased, Overloaded and the errors of the database are among the others.
        """
        return await self._batcher.submit((identifier, project_id))

    def _read(self, batch: Sequence[CustomerRequest]) -> Sequence[StateAtPosition | Exception]:
        try:
            states, tables = self._read_states([each[0] for each in batch])
        except Exception as error:
            return [error] * len(batch)
        results: list[StateAtPosition | Exception] = []
        for identifier, project_id in batch:
            matching = [
                each for each in states.get(identifier, ()) if project_id in (None, each.project_id)
            ]
            try:
                results.append((require_one(matching, identifier, project_id), tables))
            except Exception as error:
                results.append(error)
        unknown = [
            each
            for each, result in zip(batch, results, strict=True)
            if isinstance(result, CustomerNotFound)
        ]
        erased = self._find_erased(unknown)
        return [erased.get(each, result) for each, result in zip(batch, results, strict=True)]

    def _find_erased(self, unknown: Sequence[CustomerRequest]) -> dict[CustomerRequest, Exception]:
        """Return the errors of those requests whose customers were erased."""
        found: dict[CustomerRequest, Exception] = {}
        for project_id in {each[1] for each in unknown}:
            ids = [identifier for identifier, project in unknown if project == project_id]
            try:
                erased = find_erased(self._database, ids, project_id)
            except Exception as error:
                found |= {(each, project_id): error for each in ids}
            else:
                found |= {(each, project_id): error_of(one) for each, one in erased.items()}
        return found

    def _read_states(
        self, identifiers: Sequence[str]
    ) -> tuple[dict[str, list[CustomerState]], TablesPosition]:
        direct = customers_now.find_by_ids(self._database, identifiers)
        if direct is not None:
            return by_id(direct.states), TablesPosition(direct.position, direct.head)
        with self._database.reading_tables() as connection:
            states, position = read_customers(connection, identifiers)
            return states, TablesPosition(position, log.head(connection))
