"""Checks the rights that a rebuild needs on Postgres, before it begins."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, text

from projector.errors import RebuildRightsMissing
from projector.projections.rebuilding import Rebuilding
from projector.store.rebuild import swap

_MAY_CREATE = text(
    "SELECT current_user, current_schema(), has_schema_privilege(current_schema(), 'CREATE')"
)

#: The owner of a table, and whether this role has its rights: a swap renames the table, and
#: gives the new one to the owner.
_OWNER = text(
    "SELECT pg_get_userbyid(relowner), pg_has_role(relowner, 'USAGE') FROM pg_class"
    " WHERE oid = to_regclass(:name)"
)


def require(
    connection: Connection, pairs: Iterable[Rebuilding], *, url: object, swaps: bool
) -> None:
    """Raise RebuildRightsMissing if a shadow could not be created, or not be swapped in."""
    if connection.dialect.name == "sqlite":
        return
    role, schema, may_create = connection.execute(_MAY_CREATE).one()
    if not may_create:
        raise RebuildRightsMissing(url=url, reason=f"{role} has no CREATE on schema {schema}")
    for pair in pairs if swaps else ():
        found = connection.execute(_OWNER, {"name": pair.live.name}).one_or_none()
        # Rows are copied into a table with dependents, which takes no ownership.
        if found is None or found[1] or swap.dependents(connection, pair):
            continue
        reason = (
            f"{role} does not have the rights of {found[0]}, the owner of table {pair.live.name}"
        )
        raise RebuildRightsMissing(url=url, reason=reason)
