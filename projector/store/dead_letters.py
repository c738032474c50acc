"""Stores dead letters: events that a projection could not fold and skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import starmap
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, select

from projector.envelope import CanonicalKey, CustomerKey
from projector.projections.rebuilding import SHADOW
from projector.store import bulk
from projector.store.predicates import (
    after_key,
    array_parameter,
    canonical_key,
    in_array,
    in_values,
    is_storable_text,
    key_parameter,
    within_int64,
)
from projector.store.tables import checkpoint, dead_letter, dead_letter_reason, event, stream

_HAS_ANY = select(
    exists().where(
        dead_letter.c.stream_id == stream.c.stream_id,
        dead_letter.c.projection.in_(bindparam("projections", expanding=True)),
        stream.c.project_id == bindparam("project_id"),
        stream.c.customer_id == bindparam("customer_id"),
    )
)


_OF_STREAM = (
    dead_letter.c.projection == bindparam("name"),
    dead_letter.c.stream_id == bindparam("stream"),
)
_DELETE_BEHIND = delete(dead_letter).where(
    *_OF_STREAM,
    exists().where(
        event.c.position == dead_letter.c.position, canonical_key(event) > key_parameter()
    ),
)
_HAS_ANY_UNTIL = select(
    exists().where(
        *_OF_STREAM,
        event.c.position == dead_letter.c.position,
        canonical_key(event) <= key_parameter(),
    )
)


#: Dead letters of a shadow, which belong to a rebuild in progress, are not listed or counted.
_SHADOWS = f"%!{SHADOW}"
_IS_LIVE = dead_letter.c.projection.not_like(_SHADOWS, escape="!")

#: The number of reasons that are listed at the most: a reason contains the invalid value, so
#: their variety has no limit.
REASONS_MAX = 100


#: The sort key of a projection's dead letters, stream by stream.
_stream_and_position = attrgetter("stream_id", "position")


class DeadLetter(NamedTuple):
    """An event that a projection skipped, with the reason; a row of table `dead_letter`."""

    projection: str
    position: int
    stream_id: int | None
    reason: str


def replace(
    connection: Connection,
    projection: str,
    skipped: Sequence[DeadLetter],
    *,
    refolded: Sequence[int],
    refolded_after: Mapping[int, CanonicalKey] | None = None,
) -> None:
    """Insert dead letters of a projection; first delete those of the `refolded` streams.

    Of the streams in `refolded_after` only those of events with a greater key are deleted.
    """
    if refolded:
        connection.execute(
            delete(dead_letter).where(
                dead_letter.c.projection == projection,
                in_values(connection, dead_letter.c.stream_id, refolded),
            )
        )
    for stream_id, key in (refolded_after or {}).items():
        params = {"name": projection, "stream": stream_id, **key._asdict()}
        connection.execute(_DELETE_BEHIND, params)
    bulk.insert_many(connection, dead_letter, skipped)


def page(
    connection: Connection, *, projection: str | None, after: tuple[str, int] | None, limit: int
) -> list[DeadLetter]:
    """Return a page of dead letters by projection and position (keyset pagination).

    The page begins after the key `after`, a (projection, position); `projection` is a filter.
    """
    if not is_storable_text(projection):
        return []
    key = (dead_letter.c.projection, dead_letter.c.position)
    statement = select(dead_letter).where(_IS_LIVE).order_by(*key).limit(limit)
    if projection is not None:
        statement = statement.where(dead_letter.c.projection == projection)
    if after is not None:
        statement = statement.where(after_key(key, after, first=projection))
    return [DeadLetter(*row) for row in connection.execute(statement)]


def newest(
    connection: Connection, projection: str, *, before: int | None, limit: int
) -> list[DeadLetter]:
    """Return the last dead letters of a projection with position < before, the last one first."""
    statement = select(dead_letter).where(dead_letter.c.projection == projection)
    if before is not None:
        statement = statement.where(dead_letter.c.position < before)
    rows = connection.execute(statement.order_by(dead_letter.c.position.desc()).limit(limit))
    return [DeadLetter(*row) for row in rows]


def find_at(connection: Connection, positions: Sequence[int]) -> list[DeadLetter]:
    """Return the dead letters of the events at some positions, by position and projection."""
    # Names all projections (each has a checkpoint), because the primary key begins with the
    # projection: without a condition on it the index is of no use.
    of_any = dead_letter.c.projection.in_(select(checkpoint.c.projection))
    at_positions = in_values(connection, dead_letter.c.position, within_int64(positions))
    statement = (
        select(dead_letter)
        .where(_IS_LIVE, of_any, at_positions)
        .order_by(dead_letter.c.position, dead_letter.c.projection)
    )
    return [DeadLetter(*row) for row in connection.execute(statement)]


def page_by_stream(
    connection: Connection, projection: str, *, after: int, limit: int
) -> list[DeadLetter]:
    """Return all dead letters of a projection's next `limit` streams, by stream and position.

    The streams are those with an id greater than `after` that have dead letters.
    """
    statement = (
        select(dead_letter.c.stream_id)
        .where(dead_letter.c.projection == projection, dead_letter.c.stream_id > after)
        .distinct()
        .order_by(dead_letter.c.stream_id)
        .limit(limit)
    )
    stream_ids = list(connection.execute(statement).scalars())
    letters = find_in_streams(connection, projection, stream_ids)
    return sorted(letters, key=_stream_and_position)


def remove(connection: Connection, projection: str, positions: Sequence[int]) -> None:
    """Delete the dead letters of a projection at some positions."""
    connection.execute(
        delete(dead_letter).where(
            dead_letter.c.projection == projection,
            in_values(connection, dead_letter.c.position, positions),
        )
    )


def count_by_reason(
    connection: Connection, *, projection: str | None
) -> Sequence[Row[str, str, int]]:
    """Return the numbers of dead letters by projection and reason, the most frequent ones first.

    Returns rows of (projection, reason, count), REASONS_MAX of them at the most.
    """
    table = dead_letter_reason
    statement = select(table).where(table.c.projection.not_like(_SHADOWS, escape="!"))
    statement = statement.order_by(table.c.count.desc(), table.c.projection, table.c.reason)
    if projection is not None:
        statement = statement.where(table.c.projection == projection)
    return connection.execute(statement.limit(REASONS_MAX)).all()


def customers_with(connection: Connection, projections: Sequence[str]) -> Iterator[CustomerKey]:
    """Yield the customers with a dead letter of the projections, by project and customer."""
    stream_ids = select(dead_letter.c.stream_id).where(dead_letter.c.projection.in_(projections))
    statement = (
        select(stream.c.project_id, stream.c.customer_id)
        .where(stream.c.stream_id.in_(stream_ids))
        .order_by(stream.c.project_id, stream.c.customer_id)
        .execution_options(yield_per=1000)
    )
    with connection.execute(statement) as rows:
        yield from starmap(CustomerKey, rows)


def find_in_streams(
    connection: Connection, projection: str, stream_ids: Sequence[int]
) -> list[DeadLetter]:
    """Return the dead letters of a projection in some streams, in no particular order."""
    statement = select(dead_letter).where(
        dead_letter.c.projection == projection,
        in_values(connection, dead_letter.c.stream_id, stream_ids),
    )
    return [DeadLetter(*row) for row in connection.execute(statement)]


def without_customer(connection: Connection, projection: str) -> list[int]:
    """Return the positions of a projection's dead letters that have no customer (no stream)."""
    statement = select(dead_letter.c.position).where(
        dead_letter.c.projection == projection, dead_letter.c.stream_id.is_(None)
    )
    return list(connection.execute(statement).scalars())


def delete_all(connection: Connection, projection: str) -> None:
    """Delete all dead letters of a projection, because it is rebuilt or dropped."""
    connection.execute(delete(dead_letter).where(dead_letter.c.projection == projection))


def count_by_projection(connection: Connection) -> dict[str, int]:
    """Return the number of dead letters of each projection with any; shadows are included."""
    table = dead_letter_reason
    statement = select(table.c.projection, func.sum(table.c.count)).group_by(table.c.projection)
    return {row[0]: int(row[1]) for row in connection.execute(statement)}


def has_any(
    connection: Connection, projections: Sequence[str], project_id: str, customer_id: str
) -> bool:
    """Return whether a customer has a dead letter of any of the projections."""
    params = {
        "project_id": project_id,
        "customer_id": customer_id,
        "projections": list(projections),
    }
    return bool(connection.execute(_HAS_ANY, params).scalar_one())


def has_any_until(
    connection: Connection, projection: str, stream_id: int, key: CanonicalKey
) -> bool:
    """Return whether a projection has a dead letter of a stream's events up to a key."""
    params = {"name": projection, "stream": stream_id, **key._asdict()}
    return bool(connection.execute(_HAS_ANY_UNTIL, params).scalar_one())


def customers_with_any(
    connection: Connection, projections: tuple[str, ...], customer_ids: Sequence[str]
) -> set[CustomerKey]:
    """Return those customers with one of the ids that have a dead letter of the projections."""
    statement = _select_customers_with_any(projections, connection.dialect.name)
    rows = connection.execute(statement, {"ids": array_parameter(connection, customer_ids)}).all()
    return {CustomerKey(*row) for row in rows}


@cache
def _select_customers_with_any(projections: tuple[str, ...], dialect: str) -> Select[Any]:
    # A subquery and not a join: for a join, SQLite would scan all dead letters first.
    has_dead_letter = exists().where(
        dead_letter.c.stream_id == stream.c.stream_id, dead_letter.c.projection.in_(projections)
    )
    return select(stream.c.project_id, stream.c.customer_id).where(
        in_array(dialect, stream.c.customer_id, "ids"), has_dead_letter
    )
