"""Compares shadows with live tables: the impact of a rebuild, before it is swapped in."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen
from sqlalchemy import Connection

from projector.projections.groups import GroupKind, group_of
from projector.projections.rebuilding import Rebuilding
from projector.runner import runner
from projector.store import checkpoints, log
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.rebuild import difference, shadow
from projector.store.rebuild.difference import GroupMove
from projector.store.row_tables import fingerprint

#: The number of attempts to catch shadows up with live tables that a projector keeps advancing.
ROUNDS_MAX = 10


@frozen(kw_only=True)
class GroupChange:
    """A segment or tier that customers gain or lose by the rebuild."""

    project_id: str
    id: str
    name: str | None
    #: Numbers of customers.
    gaining: int
    losing: int
    #: The ids of a few of these customers.
    gaining_examples: tuple[str, ...]
    losing_examples: tuple[str, ...]


@frozen(kw_only=True)
class RowChange:
    """The number of rows of a projection that differ; a changed row counts as new and as gone."""

    name: str
    rows_new: int
    rows_gone: int


@frozen(kw_only=True)
class Impact:
    """The difference between the live tables and the rebuilt ones."""

    #: The number of customers who gain or lose a segment or tier.
    customers: int
    #: The same as a percentage of all customers in the log.
    percent: float
    segments: tuple[GroupChange, ...]
    tiers: tuple[GroupChange, ...]
    rows: tuple[RowChange, ...]


def compare(database: Database, pairs: Sequence[Rebuilding]) -> Impact:
    """Compare live tables with their shadows, at the same position if that can be reached.

    While a projector keeps advancing the live tables, shadows may stay a few events behind.
    """
    for _ in range(ROUNDS_MAX):
        if _align(database, pairs):
            break
    with database.reading_tables() as connection:
        current = checkpoints.read(connection, [each.live for each in pairs])
        # Rows and members of tables with different columns cannot be compared.
        comparable = [
            each for each in pairs if current[each.live.name].fingerprint == fingerprint(each.live)
        ]
        grouped = [(each, group) for each in comparable if (group := group_of(each.live))]
        changes = {
            group.kind: _changes(
                difference.gained(connection, each, group),
                difference.lost(connection, each, group),
            )
            for each, group in grouped
        }
        customers = difference.count_customers(connection, grouped)
        known = log.last_stream_id(connection)
        return Impact(
            customers=customers,
            percent=100 * customers / known if known else 0.0,
            segments=changes.get(GroupKind.SEGMENT, ()),
            tiers=changes.get(GroupKind.TIER, ()),
            rows=tuple(_row_change(connection, each, each in comparable) for each in pairs),
        )


def _row_change(connection: Connection, pair: Rebuilding, is_comparable: bool) -> RowChange:
    """Count the rows that are new and gone; all rows count if the table's columns change."""
    if is_comparable:
        new, gone = difference.count_rows(connection, pair)
    else:
        new, gone = (shadow.count_rows(connection, each) for each in (pair.shadow, pair.live))
    return RowChange(name=pair.live.name, rows_new=new, rows_gone=gone)


def _align(database: Database, pairs: Sequence[Rebuilding]) -> bool:
    """Catch each shadow up with its live table; return whether no live table is ahead of it.

    The plan of a compared rebuild ends at the position of the live tables, so a live table is
    behind its shadow only if it was never filled.
    """
    for each in pairs:
        live, _ = _checkpoints(database, each)
        runner.catch_up(database, [each.shadow], until=live.position)
    found = (_checkpoints(database, each) for each in pairs)
    return all(live.position <= filled.position for live, filled in found)


def _checkpoints(database: Database, pair: Rebuilding) -> tuple[Checkpoint, Checkpoint]:
    with database.reading() as connection:
        found = checkpoints.read(connection, [pair.live, pair.shadow])
    return found[pair.live.name], found[pair.shadow.name]


def _changes(gained: Sequence[GroupMove], lost: Sequence[GroupMove]) -> tuple[GroupChange, ...]:
    coming = {(each.project_id, each.group_id): each for each in gained}
    going = {(each.project_id, each.group_id): each for each in lost}
    return tuple(
        _change(coming.get(group), going.get(group)) for group in sorted({*coming, *going})
    )


def _change(coming: GroupMove | None, going: GroupMove | None) -> GroupChange:
    [group, *_] = [each for each in (coming, going) if each is not None]
    return GroupChange(
        project_id=group.project_id,
        id=group.group_id,
        name=group.name,
        gaining=coming.customers if coming else 0,
        losing=going.customers if going else 0,
        gaining_examples=coming.examples if coming else (),
        losing_examples=going.examples if going else (),
    )
