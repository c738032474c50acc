"""One customer's rows computed anew, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.errors import CustomerAmbiguous, CustomerNotFound, ProjectionOutdated
from projector.projections.projection import Projection
from projector.queries.customers import find_keys
from projector.runner.batch import fold_streams
from projector.store import checkpoints, customers, dead_letters, digest, log, table_rows
from projector.store.database import Database
from projector.store.read_errors import translate_read_errors


@frozen(kw_only=True)
class CustomerRebuild:
    """A customer whose rows were computed anew."""

    project_id: str
    customer_id: str
    #: By projection: how many rows there are now.
    rows: dict[str, int]


def rebuild_customer(
    database: Database,
    projections: Sequence[Projection],
    identifier: str,
    *,
    project_id: str | None = None,
    by_source_id: bool = False,
) -> CustomerRebuild:
    """Fold one customer's stream anew, up to where each projection is, and replace the rows.

    Whatever they were: nothing is read of the customer's old rows. The digests are computed from
    all rows, so that they are those of the tables afterwards; while that takes, nobody else
    projects. Raises CustomerNotFound, CustomerAmbiguous or ProjectionOutdated.
    """
    with database.reading_tables() as connection:
        found = find_keys(connection, identifier, project_id, by_source_id)
    if not found:
        where = f" in project {project_id!r}" if project_id is not None else ""
        raise CustomerNotFound(identifier=identifier, where=where)
    if len(found) > 1:
        each_of_them = ", ".join(f"{each.customer_id} in {each.project_id}" for each in found)
        raise CustomerAmbiguous(identifier=identifier, candidates=each_of_them)
    [customer] = found
    with database.writing() as connection:
        return _rebuild(connection, projections, customer)


def _rebuild(
    connection: Connection, projections: Sequence[Projection], customer: CustomerKey
) -> CustomerRebuild:
    by_projection = checkpoints.read(connection, projections, lock=True)
    stream_id = customers.stream_of(connection, customer)
    rows = {}
    for projection in projections:
        checkpoint = by_projection[projection.name]
        if checkpoint.position and checkpoint.version != projection.version:
            raise ProjectionOutdated(
                projection=projection.name, found=checkpoint.version, needed=projection.version
            )
        events = log.read_streams(connection, [stream_id], until=checkpoint.position)
        [change] = fold_streams([projection], events)
        table_rows.replace(connection, projection, customer, change.new.get(customer, []))
        dead_letters.replace(connection, projection.name, change.dead_letters, refolded=[stream_id])
        checkpoints.advance(
            connection,
            checkpoint,
            projection,
            position=checkpoint.position,
            digest=_digest(connection, projection),
            rewritten=True,
        )
        rows[projection.name] = len(change.new.get(customer, []))
    return CustomerRebuild(
        project_id=customer.project_id, customer_id=customer.customer_id, rows=rows
    )


def _digest(connection: Connection, projection: Projection) -> str:
    """Of all rows that are there; raises RowsUnreadable."""
    rows = (
        values
        for key, row in table_rows.scan(connection, projection)
        for values in table_rows.as_values(projection, {key: [row]})
    )
    with translate_read_errors(projection.name):
        return digest.apply(digest.EMPTY, digest.of(rows))
