"""Finds customers who were erased, of whom nothing is stored but a digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from attrs import frozen
from sqlalchemy import Connection, select

from projector.store.erasure import digests
from projector.store.predicates import in_values
from projector.store.tables import erasure, secret, suppressed

#: The projects of which customers were erased, with the key of the digests.
_PROJECTS = select(
    erasure.c.project_id,
    select(secret.c.value).where(secret.c.name == digests.KEY_NAME).scalar_subquery(),
).distinct()


@frozen(kw_only=True)
class ErasedCustomer:
    """A customer who was erased."""

    project_id: str
    customer_id: str
    erasure_id: int
    erased_at: datetime


def find(
    connection: Connection, customer_ids: Sequence[str], project_id: str | None = None
) -> dict[str, ErasedCustomer]:
    """Return those of some customers who were erased, of a project or of any, by their ids.

    Of the projects that had an id, the last erasure counts. Where nothing was erased, this reads
    one empty table.
    """
    by_digest = {
        digests.of_customer(key, project, each): (project, each)
        for project, key in _projects(connection)
        if project_id in (None, project)
        for each in customer_ids
    }
    if not by_digest:
        return {}
    statement = select(suppressed.c.digest, suppressed.c.erasure_id).where(
        in_values(connection, suppressed.c.digest, list(by_digest))
    )
    rows = connection.execute(statement).all()
    if not rows:
        return {}
    erased_at = _times(connection, sorted({row.erasure_id for row in rows}))
    found = {}
    for digest, erasure_id in sorted(rows, key=lambda row: row.erasure_id):
        project, customer_id = by_digest[digest]
        found[customer_id] = ErasedCustomer(
            project_id=project,
            customer_id=customer_id,
            erasure_id=erasure_id,
            erased_at=erased_at[erasure_id],
        )
    return found


def _projects(connection: Connection) -> list[tuple[str, bytes]]:
    """Return the projects of which customers were erased, with the key of the digests."""
    rows = connection.execute(_PROJECTS)
    return [(project_id, bytes(key)) for project_id, key in rows if key is not None]


def _times(connection: Connection, erasure_ids: Sequence[int]) -> dict[int, datetime]:
    """Return when some erasures were, by their ids."""
    statement = select(erasure.c.erasure_id, erasure.c.erased_at).where(
        in_values(connection, erasure.c.erasure_id, erasure_ids)
    )
    return {row.erasure_id: row.erased_at for row in connection.execute(statement)}
