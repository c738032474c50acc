"""Dead letters: events that a projection could not take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import starmap
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Select, bindparam, delete, exists, func, select

from projector.envelope import CustomerKey
from projector.projections.rebuilding import SHADOW
from projector.store import bulk
from projector.store.predicates import (
    after_key,
    array_parameter,
    in_array,
    in_values,
    is_storable_text,
    within_int64,
)
from projector.store.tables import checkpoint, dead_letter, stream

_HAS_ANY = select(
    exists().where(
        dead_letter.c.stream_id == stream.c.stream_id,
        dead_letter.c.projection.in_(bindparam("projections", expanding=True)),
        stream.c.project_id == bindparam("project_id"),
        stream.c.customer_id == bindparam("customer_id"),
    )
)


#: Those of a rebuild that is not done yet concern nobody.
_IS_LIVE = dead_letter.c.projection.not_like(f"%\\{SHADOW}", escape="\\")

#: How many reasons are told apart: they hold what was wrong, and that may be all sorts of things.
REASONS_MAX = 100


#: The order of letters within a projection.
_place = attrgetter("stream_id", "position")


class DeadLetter(NamedTuple):
    """An event that a projection skipped, and why."""

    projection: str
    position: int
    stream_id: int | None
    reason: str


def replace(
    connection: Connection,
    projection: str,
    letters: Sequence[DeadLetter],
    *,
    refolded: Sequence[int],
) -> None:
    """Keep a projection's letters; of streams that were folded anew only these remain."""
    if refolded:
        connection.execute(
            delete(dead_letter).where(
                dead_letter.c.projection == projection,
                in_values(connection, dead_letter.c.stream_id, refolded),
            )
        )
    bulk.insert_many(connection, dead_letter, letters)


def page(
    connection: Connection, *, projection: str | None, after: tuple[str, int] | None, limit: int
) -> list[DeadLetter]:
    """Letters by projection and position."""
    if not is_storable_text(projection):
        return []
    place = (dead_letter.c.projection, dead_letter.c.position)
    statement = select(dead_letter).where(_IS_LIVE).order_by(*place).limit(limit)
    if projection is not None:
        statement = statement.where(dead_letter.c.projection == projection)
    if after is not None:
        statement = statement.where(after_key(place, after, first=projection))
    return [DeadLetter(*row) for row in connection.execute(statement)]


def find_at(connection: Connection, positions: Sequence[int]) -> list[DeadLetter]:
    """The letters at positions, by position and projection."""
    # The key begins with the projection: all of them have a checkpoint.
    of_any = dead_letter.c.projection.in_(select(checkpoint.c.projection))
    statement = (
        select(dead_letter)
        .where(
            _IS_LIVE, of_any, in_values(connection, dead_letter.c.position, within_int64(positions))
        )
        .order_by(dead_letter.c.position, dead_letter.c.projection)
    )
    return [DeadLetter(*row) for row in connection.execute(statement)]


def page_by_stream(
    connection: Connection, projection: str, *, after: int, limit: int
) -> list[DeadLetter]:
    """A projection's letters of so many streams behind one, stream by stream."""
    statement = (
        select(dead_letter.c.stream_id)
        .where(dead_letter.c.projection == projection, dead_letter.c.stream_id > after)
        .distinct()
        .order_by(dead_letter.c.stream_id)
        .limit(limit)
    )
    stream_ids = list(connection.execute(statement).scalars())
    return sorted(find_in_streams(connection, projection, stream_ids), key=_place)


def remove(connection: Connection, projection: str, positions: Sequence[int]) -> None:
    """Take away a projection's letters at positions."""
    connection.execute(
        delete(dead_letter).where(
            dead_letter.c.projection == projection,
            in_values(connection, dead_letter.c.position, positions),
        )
    )


def count_by_reason(
    connection: Connection, *, projection: str | None
) -> Sequence[Row[str, str, int]]:
    """By projection and reason: how many letters; the most frequent ones first."""
    by = (dead_letter.c.projection, dead_letter.c.reason)
    number = func.count()
    statement = select(*by, number).where(_IS_LIVE).group_by(*by)
    statement = statement.order_by(number.desc(), *by).limit(REASONS_MAX)
    if projection is not None:
        statement = statement.where(dead_letter.c.projection == projection)
    return connection.execute(statement).all()


def customers_with(connection: Connection, projections: Sequence[str]) -> Iterator[CustomerKey]:
    """The customers with a dead letter of some projections, ordered by project and customer."""
    letters = select(dead_letter.c.stream_id).where(dead_letter.c.projection.in_(projections))
    statement = (
        select(stream.c.project_id, stream.c.customer_id)
        .where(stream.c.stream_id.in_(letters))
        .order_by(stream.c.project_id, stream.c.customer_id)
        .execution_options(yield_per=1000)
    )
    with connection.execute(statement) as rows:
        yield from starmap(CustomerKey, rows)


def find_in_streams(
    connection: Connection, projection: str, stream_ids: Sequence[int]
) -> list[DeadLetter]:
    """A projection's letters from some streams."""
    statement = select(dead_letter).where(
        dead_letter.c.projection == projection,
        in_values(connection, dead_letter.c.stream_id, stream_ids),
    )
    return [DeadLetter(*row) for row in connection.execute(statement)]


def without_customer(connection: Connection, projection: str) -> list[int]:
    """The positions of a projection's letters that name no customer."""
    statement = select(dead_letter.c.position).where(
        dead_letter.c.projection == projection, dead_letter.c.stream_id.is_(None)
    )
    return list(connection.execute(statement).scalars())


def delete_all(connection: Connection, projection: str) -> None:
    """Forget a projection's letters, because it is rebuilt."""
    connection.execute(delete(dead_letter).where(dead_letter.c.projection == projection))


def count_by_projection(connection: Connection) -> dict[str, int]:
    """How many events each projection skipped."""
    statement = select(dead_letter.c.projection, func.count()).group_by(dead_letter.c.projection)
    return {row[0]: row[1] for row in connection.execute(statement)}


def has_any(
    connection: Connection, projections: Sequence[str], project_id: str, customer_id: str
) -> bool:
    """Whether an event of a customer was skipped by one of some projections."""
    customer = {
        "project_id": project_id,
        "customer_id": customer_id,
        "projections": list(projections),
    }
    return bool(connection.execute(_HAS_ANY, customer).scalar_one())


def customers_with_any(
    connection: Connection, projections: tuple[str, ...], customer_ids: Sequence[str]
) -> set[CustomerKey]:
    """Those who have one of some ids and a dead letter of some projections."""
    statement = _select_customers_with_any(projections, connection.dialect.name)
    rows = connection.execute(statement, {"ids": array_parameter(connection, customer_ids)}).all()
    return {CustomerKey(*row) for row in rows}


@cache
def _select_customers_with_any(projections: tuple[str, ...], dialect: str) -> Select[Any]:
    # Not by a join: SQLite would begin with the letters, and go through all of them.
    letter = exists().where(
        dead_letter.c.stream_id == stream.c.stream_id, dead_letter.c.projection.in_(projections)
    )
    return select(stream.c.project_id, stream.c.customer_id).where(
        in_array(dialect, stream.c.customer_id, "ids"), letter
    )
