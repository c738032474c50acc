"""Answers for customers who were erased: that they were, and nothing else.

They are looked up only after nobody else was found, so that other queries cost nothing more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC

from projector.envelope import id_problem
from projector.errors import CustomerErased, CustomerNotFound
from projector.store.database import Database
from projector.store.erasure import erased_customers
from projector.store.erasure.erased_customers import ErasedCustomer


def find_erased(
    database: Database, identifiers: Sequence[str], project_id: str | None = None
) -> dict[str, ErasedCustomer]:
    """Return those of some customers who were erased, of a project or of any, by their ids."""
    ids = [each for each in identifiers if id_problem(each) is None]
    if not ids:
        return {}
    with database.reading() as connection:
        return erased_customers.find(connection, ids, project_id)


@contextmanager
def or_erased(
    database: Database, identifier: str, project_id: str | None, *, by_source_id: bool = False
) -> Iterator[None]:
    """Raise CustomerErased in the place of CustomerNotFound if the customer was erased.

    By a source_id no erased customer is found: nothing is kept of it. Read from another snapshot
    than this context's.
    """
    try:
        yield
    except CustomerNotFound:
        if not by_source_id:
            found = find_erased(database, [identifier], project_id)
            if identifier in found:
                raise error_of(found[identifier]) from None
        raise


def error_of(found: ErasedCustomer) -> CustomerErased:
    """Return the error of a query of an erased customer."""
    day = found.erased_at.astimezone(UTC).date()
    return CustomerErased(day=day.isoformat(), erasure_id=found.erasure_id)
