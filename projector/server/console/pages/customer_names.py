"""Looks up the names of customers for a list."""

from __future__ import annotations

from collections.abc import Iterable

from projector.queries.customers import find_customers
from projector.store.database import Database


def names_of(database: Database, customer_ids: Iterable[str | None]) -> dict[tuple[str, str], str]:
    """Return the names of the customers with some ids, by project and customer id.

    Customers without a name, and those who share an id with one of another project, are left out.
    """
    wanted = [each for each in customer_ids if each is not None]
    found = find_customers(database, wanted).customers if wanted else ()
    return {
        (each.project_id, each.customer_id): each.name for each in found if each.name is not None
    }
