"""Rebuilds the rows of one customer, in one short transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.errors import DatabaseBusy
from projector.projections.projection import Projection
from projector.queries.customers import find_key
from projector.runner.refold import fold_to_checkpoint, record
from projector.runner.runner import check_runnable
from projector.store import checkpoints, customers, digest, group_sizes, log, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.group_sizes import GroupDay, Size, Sizes

#: The number of attempts if the customer's rows are written between snapshot and transaction.
TRIES_MAX = 10

#: The number of other customers' rows that are read at once.
ROWS_MAX = 1_000


@frozen(kw_only=True)
class CustomerRebuild:
    """The result of rebuilding one customer's rows."""

    project_id: str
    customer_id: str
    #: By projection: the number of the customer's rows afterwards.
    rows: dict[str, int]


@frozen
class _Others:
    """The digest and the sizes of all other customers' rows of a projection, as of a checkpoint."""

    checkpoint: Checkpoint
    digest: str
    #: What is to be added to the stored sizes, for them to be those of the others.
    sizes: Sizes


def rebuild_customer(
    database: Database,
    projections: Sequence[Projection],
    identifier: str,
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
) -> CustomerRebuild:
    """Refold one customer's stream up to each projection's checkpoint, and replace the rows.

    The customer's old rows are not read, because they may be unreadable; so the digests are
    computed anew over all rows in the tables, and so are the sizes of groups. The rows are read
    from a snapshot, which does not block writers. The short write transaction that follows is
    optimistic: the rebuild starts over if the customer's rows were written since the snapshot.
    Raises CustomerNotFound, CustomerAmbiguous, ProjectionOutdated; RowsUnreadable for another
    customer's row; DatabaseBusy after TRIES_MAX attempts.
    """
    for _ in range(TRIES_MAX):
        with database.reading_tables() as connection:
            customer = find_key(connection, identifier, project_id, by_source_id)
            before = checkpoints.read(connection, projections)
            others = {
                each.name: _read_others(connection, each, before[each.name], customer)
                for each in projections
            }
        with database.writing() as connection:
            report = _replace_rows(connection, projections, customer, others)
        if report is not None:
            return report
    raise DatabaseBusy(
        url=database, reason=f"the customer's rows changed during each of {TRIES_MAX} attempts"
    )


def _replace_rows(
    connection: Connection,
    projections: Sequence[Projection],
    customer: CustomerKey,
    others: Mapping[str, _Others],
) -> CustomerRebuild | None:
    """Replace the rows; return None, with nothing written, if the snapshot is stale."""
    now = checkpoints.read(connection, projections, lock=True)
    check_runnable(connection, projections, now)
    if any(now[name].generation != each.checkpoint.generation for name, each in others.items()):
        # All rows were written, or the customer was erased, whose stream cannot be found then.
        return None
    stream_id = customers.stream_of(connection, customer)
    if any(_has_new_events(connection, others[name], now[name], stream_id) for name in now):
        return None
    rows = {}
    for projection in projections:
        checkpoint, before = now[projection.name], others[projection.name]
        change = fold_to_checkpoint(connection, projection, checkpoint, [stream_id])
        rows_now = change.new.get(customer, [])
        table_rows.replace(connection, projection, customer, rows_now)
        # The stored digest has changed since the snapshot by other customers' rows only.
        changed = digest.subtract(checkpoint.digest, before.checkpoint.digest)
        values = table_rows.as_values(projection, {customer: rows_now})
        total = digest.apply(before.digest, changed + digest.of(values))
        sizes = dict(before.sizes)
        group_sizes.merge(sizes, group_sizes.changes(projection, new=values))
        group_sizes.add(connection, projection, sizes)
        record(connection, projection, checkpoint, change, [stream_id], digest=total)
        rows[projection.name] = len(rows_now)
    return CustomerRebuild(
        project_id=customer.project_id, customer_id=customer.customer_id, rows=rows
    )


def _has_new_events(
    connection: Connection, before: _Others, now: Checkpoint, stream_id: int
) -> bool:
    """Return whether the customer's rows were written since the snapshot."""
    after = before.checkpoint.position
    return log.has_event_between(connection, stream_id, after=after, until=now.position)


def _read_others(
    connection: Connection, projection: Projection, checkpoint: Checkpoint, customer: CustomerKey
) -> _Others:
    """Read the rows of all customers but one; raises RowsUnreadable."""
    total = digest.EMPTY
    sizes: dict[GroupDay, Size] = {}
    others = table_rows.scan(connection, projection, but=customer)
    while some := list(islice(others, ROWS_MAX)):
        values = [
            each for key, row in some for each in table_rows.as_values(projection, {key: [row]})
        ]
        total = digest.apply(total, digest.of(values))
        group_sizes.merge(sizes, group_sizes.changes(projection, new=values))
    group_sizes.merge(sizes, group_sizes.read(connection, projection.name), sign=-1)
    return _Others(checkpoint, total, sizes)
