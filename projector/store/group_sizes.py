"""Keeps the sizes of groups, such as segments and tiers, as sums over the rows of projections.

A projection whose rows are memberships says so (`Projection.memberships`). Of each of its groups
the table `group_size` has the numbers of memberships that began and that ended, by UTC day. The
difference of rows that moves the digest moves these sums, in the same transaction. So no query
counts rows: the size of a group is the sum of its entries minus that of its exits, over all days
now, or until the end of a past day then.

A membership of unknown beginning is in no past size. Its entry, and its exit if it has one, count
on a day of their own, `UNKNOWN`; so does an exit at an unknown instant. One that only a look at the
source shows begins on the day of the look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from hashlib import blake2b
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import BigInteger, Connection, Row, Select, case, cast, delete, func, select, update

from projector.projections.projection import Memberships, Projection, Values
from projector.projections.rebuilding import Rebuilding
from projector.store import bulk
from projector.store.read_errors import translate_read_errors
from projector.store.row_tables import table_of
from projector.store.tables import group_size

#: The day of the memberships of unknown beginning.
UNKNOWN = date.min


class GroupDay(NamedTuple):
    """A group by the names that rows have for it, and a day: the key of two sums."""

    project_id: str
    #: Empty for a group that belongs to no campaign.
    campaign_id: str
    group_id: str
    #: As many as the projection has fields for.
    names: tuple[str | None, ...]
    day: date


class Size(NamedTuple):
    """The numbers of memberships that began and that ended."""

    entries: int
    exits: int


class GroupTotal(NamedTuple):
    """The memberships of a group whose rows have the same names for it, of all days."""

    project_id: str
    campaign_id: str
    group_id: str
    names: tuple[str | None, ...]
    entries: int
    exits: int
    #: The last day on which one of them began.
    last_day: date


#: Sizes, or changes of sizes; a missing one is of zeros.
Sizes = Mapping[GroupDay, Size]

_NONE = Size(0, 0)

#: The columns of the sums.
SUMS = ("entries", "exits")


def changes(projection: Projection, *, new: Iterable[Values], old: Iterable[Values] = ()) -> Sizes:
    """Return the change of the sizes by rows that come and rows that go, as tuples of the table.

    Empty for a projection without memberships. Instants must be in UTC.
    """
    if projection.memberships is None:
        return {}
    fields = _fields(projection, projection.memberships)
    group_of, since_at, until_at = fields.group_of, fields.since, fields.until
    lasts_at, seen_at = fields.lasts, fields.seen
    sums: dict[tuple[Any, date], list[int]] = {}
    for rows, sign in ((new, 1), (old, -1)):
        for row in rows:
            group, since = group_of(row), row[since_at]
            if since is None and seen_at is not None and (lasts_at is None or row[lasts_at]):
                since = row[seen_at]
            begun = UNKNOWN if since is None else since.date()
            found = sums.get((group, begun))
            if found is None:
                found = sums[group, begun] = [0, 0]
            found[0] += sign
            until = None if until_at is None else row[until_at]
            if until is not None or (lasts_at is not None and not row[lasts_at]):
                ended = UNKNOWN if since is None or until is None else until.date()
                if ended != begun:
                    found = sums.get((group, ended))
                    if found is None:
                        found = sums[group, ended] = [0, 0]
                found[1] += sign
    return {
        fields.key_of(group, day): Size(entries, exits)
        for (group, day), (entries, exits) in sums.items()
        if (entries or exits) and group[fields.group_id] is not None
    }


def merge(sizes: dict[GroupDay, Size], more: Sizes, *, sign: int = 1) -> None:
    """Add sizes to others, or subtract them with the sign -1."""
    for key, (entries, exits) in more.items():
        known = sizes.get(key, _NONE)
        sizes[key] = Size(known.entries + sign * entries, known.exits + sign * exits)


def to_values(projection: Projection, sizes: Sizes) -> list[Values]:
    """Return the tuples of the table by which sizes of a projection or a shadow change.

    They are sorted, because two transactions that wrote them in different orders could deadlock.
    """
    return sorted(
        (projection.name, *key[:3], names_hash, key.day, names, *size)
        for key, size in sizes.items()
        if size != _NONE
        for names, names_hash in [_encode(key.names)]
    )


def add(connection: Connection, projection: Projection, sizes: Sizes) -> None:
    """Add changes to the stored sizes of a projection or a shadow."""
    bulk.add_many(connection, group_size, to_values(projection, sizes), SUMS)


def read(connection: Connection, name: str) -> dict[GroupDay, Size]:
    """Return the stored sizes of a projection, without those of zeros; raises RowsUnreadable."""
    statement = select(group_size).where(group_size.c.projection == name)
    sizes: dict[GroupDay, Size] = {}
    with translate_read_errors(group_size.name):
        for row in connection.execute(statement).all():
            names = _decode(row.names)
            key = GroupDay(row.project_id, row.campaign_id, row.group_id, names, row.day)
            merge(sizes, {key: Size(row.entries, row.exits)})
    return {key: size for key, size in sizes.items() if size != _NONE}


def totals(
    connection: Connection, projection: Projection, *, project_id: str | None
) -> list[GroupTotal]:
    """Return the total of each group by each of the names that rows have for it, by group.

    `project_id` is a filter. Raises RowsUnreadable.
    """
    group = [group_size.c[name] for name in ("project_id", "campaign_id", "group_id")]
    # In the order of the primary key, so that nothing is sorted.
    key = [*group, group_size.c.names_hash]
    began = case((group_size.c.entries > 0, group_size.c.day))
    entries, exits = func.sum(group_size.c.entries), func.sum(group_size.c.exits)
    statement: Select[Any] = (
        select(
            *group,
            func.min(group_size.c.names).label("names"),
            cast(entries, BigInteger).label("entries"),
            cast(exits, BigInteger).label("exits"),
            func.max(began).label("last_day"),
        )
        .where(group_size.c.projection == projection.name)
        .group_by(*key)
        .having(entries > 0)
        .order_by(*key)
    )
    if project_id is not None:
        statement = statement.where(group_size.c.project_id == project_id)
    with translate_read_errors(group_size.name):
        rows: Sequence[Row[Any]] = connection.execute(statement).all()
        return [
            GroupTotal(
                project_id=row.project_id,
                campaign_id=row.campaign_id,
                group_id=row.group_id,
                names=_decode(row.names),
                entries=row.entries,
                exits=row.exits,
                last_day=row.last_day,
            )
            for row in rows
        ]


def delete_all(connection: Connection, name: str) -> None:
    """Delete all sizes of a projection or a shadow, because it is rebuilt or dropped."""
    connection.execute(delete(group_size).where(group_size.c.projection == name))


def delete_empty(connection: Connection, name: str) -> None:
    """Delete the sizes of zeros of a projection: they still have names of groups."""
    connection.execute(
        delete(group_size).where(
            group_size.c.projection == name, group_size.c.entries == 0, group_size.c.exits == 0
        )
    )


def swap(connection: Connection, pair: Rebuilding) -> None:
    """Replace the live projection's sizes by the shadow's."""
    delete_all(connection, pair.live.name)
    connection.execute(
        update(group_size)
        .where(group_size.c.projection == pair.shadow.name)
        .values(projection=pair.live.name)
    )


def differences(name: str, expected: Sizes, found: Sizes) -> Iterator[str]:
    """Compare the sizes of a projection's groups; yield a sentence for each that differs."""
    for key in sorted({*expected, *found}, key=repr):
        right, wrong = expected.get(key, _NONE), found.get(key, _NONE)
        if right != wrong:
            group = f"{key.campaign_id} {key.group_id}".strip()
            yield (
                f"Group {group} of project {key.project_id} has {wrong.entries} entries and"
                f" {wrong.exits} exits on {key.day} in the sizes of {name}, but the log folds to"
                f" {right.entries} and {right.exits}."
            )


class _Fields(NamedTuple):
    """The places of a membership's values in a tuple of the table."""

    #: The function from the tuple to project, campaign (if there is one), id and names.
    group_of: Callable[[Values], tuple[Any, ...]]
    #: The index of the id in that result.
    group_id: int
    since: int
    until: int | None
    lasts: int | None
    seen: int | None

    def key_of(self, group: tuple[Any, ...], day: date) -> GroupDay:
        """Return the key of a result of `group_of`."""
        campaign_id = group[1] if self.group_id > 1 else ""
        names = group[self.group_id + 1 :]
        return GroupDay(group[0], campaign_id, group[self.group_id], names, day)


@cache
def _fields(projection: Projection, memberships: Memberships) -> _Fields:
    columns = [column.name for column in table_of(projection).columns]
    group = ["project_id", memberships.group_id, *memberships.names]
    if memberships.campaign_id is not None:
        group.insert(1, memberships.campaign_id)
    more = (memberships.until, memberships.lasts, memberships.seen)
    return _Fields(
        itemgetter(*map(columns.index, group)),
        group.index(memberships.group_id),
        columns.index(memberships.since),
        *(None if name is None else columns.index(name) for name in more),
    )


# A cache, because a group has the same names on all of its days.
@lru_cache(maxsize=1_000)
def _encode(names: tuple[str | None, ...]) -> tuple[str, str]:
    """Return names as JSON, and the hash of it."""
    text = msgspec.json.encode(names).decode()
    return text, blake2b(text.encode(), digest_size=8).hexdigest()


def _decode(names: str) -> tuple[str | None, ...]:
    return msgspec.json.decode(names, type=tuple[str | None, ...])
