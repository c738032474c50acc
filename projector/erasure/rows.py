"""Deletes customers' rows of all projections, with their part of digests and of group sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.erasure.subjects import Subjects
from projector.errors import ProjectionAbsent
from projector.projections import discover
from projector.projections.projection import Projection
from projector.store import checkpoints, digest, group_sizes, projection_tables, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.erasure import leftovers
from projector.store.row_tables import fingerprint

#: The number of customers whose rows are loaded at once.
CUSTOMERS_MAX = 100

#: In the place of the error that stopped a projection, if it names the customer.
_ERASED_ERROR = "An error that named a customer who is erased."


@frozen
class StoredProjections:
    """The projections whose tables have rows of customers, and their locked checkpoints."""

    projections: tuple[Projection, ...]
    checkpoints: Mapping[str, Checkpoint]

    @property
    def names(self) -> list[str]:
        """Their names, sorted."""
        return sorted(each.name for each in self.projections)


def locked(connection: Connection) -> StoredProjections:
    """Lock all checkpoints by name; raises ProjectionAbsent.

    A projection that is set aside or outdated has rows as well. A table that another program
    created is none of ours.
    """
    stored = checkpoints.read(connection, discover(), lock=True)
    for name in checkpoints.names(connection):
        if name not in stored and not projection_tables.is_foreign(connection, name):
            raise ProjectionAbsent(projection=name)
    own = [each for each in discover() if not projection_tables.is_foreign(connection, each.name)]
    return StoredProjections(tuple(own), stored)


def delete(connection: Connection, stored: StoredProjections, found: Subjects) -> dict[str, int]:
    """Delete the customers' rows; return their numbers by projection.

    Each checkpoint gets a new generation, also where no row was: a projector may be about to write
    some.
    """
    for each in stored.projections:
        # An exception may quote what it failed at.
        if found.needles.are_in(stored.checkpoints[each.name].error or ""):
            checkpoints.set_error(connection, each, _ERASED_ERROR)
    return {
        each.name: _delete(connection, each, stored.checkpoints[each.name], found)
        for each in sorted(stored.projections, key=lambda each: each.name)
    }


def _delete(
    connection: Connection, projection: Projection, checkpoint: Checkpoint, found: Subjects
) -> int:
    customer_ids = list(found.streams.values())
    deleted, total = 0, checkpoint.digest
    for begin in range(0, len(customer_ids), CUSTOMERS_MAX):
        some = customer_ids[begin : begin + CUSTOMERS_MAX]
        # Of another layout the values are unknown: such a projection waits for its rebuild, which
        # computes the digest and the sizes of groups anew.
        if checkpoint.fingerprint == fingerprint(projection):
            total = digest.apply(total, -_subtract_sizes(connection, projection, found, some))
        deleted += leftovers.delete_rows(connection, projection.name, found.project_id, some)
    # A group of its own, such as that of a customer's household, may be called after the customer.
    group_sizes.delete_empty(connection, projection.name)
    checkpoints.rewrite(connection, projection.name, digest=total)
    return deleted


def _subtract_sizes(
    connection: Connection, projection: Projection, found: Subjects, customer_ids: Sequence[str]
) -> int:
    """Subtract customers' rows from the sizes of groups; return the sum of their hashes."""
    customers = [CustomerKey(found.project_id, each) for each in customer_ids]
    values = table_rows.as_values(projection, table_rows.load(connection, projection, customers))
    group_sizes.add(connection, projection, group_sizes.changes(projection, new=(), old=values))
    return digest.of(values)
