"""Finds customers of a project page by page, and those about whom the tables are in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, or_, select

from projector.projections import loyalty_tier, segment_membership
from projector.store import dead_letters
from projector.store.predicates import in_values
from projector.store.row_tables import table_of
from projector.store.tables import stream


def last_stream_id(connection: Connection) -> int:
    """Return the id of the newest stream; 0 if there is none."""
    statement = select(func.coalesce(func.max(stream.c.stream_id), 0))
    return int(connection.execute(statement).scalar_one())


def page(
    connection: Connection, project_id: str, *, after: int, until: int, limit: int
) -> list[tuple[int, str]]:
    """Return the next customers of a project by stream id: pairs of stream id and customer id.

    Their streams have ids greater than `after` and up to `until`.
    """
    statement = (
        select(stream.c.stream_id, stream.c.customer_id)
        .where(
            stream.c.project_id == project_id,
            stream.c.stream_id > after,
            stream.c.stream_id <= until,
        )
        .order_by(stream.c.stream_id)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(statement)]


def known_among(connection: Connection, project_id: str, customer_ids: Sequence[str]) -> set[str]:
    """Return those of some ids that customers of a project have in the log."""
    statement = select(stream.c.customer_id).where(
        in_values(connection, stream.c.customer_id, customer_ids),
        stream.c.project_id == project_id,
    )
    return set(connection.execute(statement).scalars())


def doubtful_among(
    connection: Connection, project_id: str, customer_ids: Sequence[str], names: Sequence[str]
) -> set[str]:
    """Return those customers with an open gap, an uncertain tier, or a dead letter.

    A gap is open if the source was not asked since it was proven.

    `names` are the projections whose dead letters count.
    """
    segments, tiers = table_of(segment_membership.PROJECTION), table_of(loyalty_tier.PROJECTION)
    found: set[str] = set()
    for table, is_doubtful in (
        (segments, segments.c.gaps > segments.c.settled),
        (tiers, or_(tiers.c.gaps > tiers.c.settled, tiers.c.certain.is_(False))),
    ):
        statement = select(table.c.customer_id).where(
            table.c.project_id == project_id,
            in_values(connection, table.c.customer_id, customer_ids),
            is_doubtful,
        )
        found.update(connection.execute(statement).scalars())
    with_letters = dead_letters.customers_with_any(connection, tuple(names), customer_ids)
    found.update(each.customer_id for each in with_letters if each.project_id == project_id)
    return found
