"""Reads and writes what `runner.direct` needs, by the driver: few statements, two transactions.

Each SELECT has a snapshot of its own; the compare-and-set of the checkpoints, at the end, shows
whether all of them were of the same state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Table

from projector.envelope import RecordedEvent
from projector.errors import CheckpointMoved
from projector.projections.projection import Projection, Values
from projector.store import bulk, checkpoints, group_sizes, row_tables, tables
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.log import to_event
from projector.store.table_rows import Difference

_CHECKPOINTS = (
    "SELECT projection, position, version, generation, digest, fingerprint, error,"
    " (SELECT position FROM log_head) FROM checkpoint"
)
#: The last column is whether the stream is long. Snapshots are taken of all projections at once.
_EVENTS = (
    "SELECT event.project_id, event_id, type, customer_id, occurred_at, source, body, position,"
    " event.stream_id, received_at, late, EXISTS (SELECT 1 FROM snapshot WHERE"
    " snapshot.projection = 'customer' AND snapshot.stream_id = event.stream_id)"
    " FROM event LEFT JOIN stream ON stream.stream_id = event.stream_id"
    " WHERE position > {0} AND position <= {0} ORDER BY position"
)


class Advance(NamedTuple):
    """The step of one projection: its checkpoints before and after, and the changes of its rows."""

    projection: Projection
    before: Checkpoint
    after: Checkpoint
    rows: Difference


def read_checkpoints(
    database: Database, projections: Sequence[Projection]
) -> tuple[dict[str, Checkpoint], int] | None:
    """Return the checkpoints by projection, and the head of the log.

    None if a projection has no checkpoint yet, if there are no projections, if the head is missing,
    or behind a pooler of transactions.
    """
    stored = {row[0]: row for row in database.select(_CHECKPOINTS, ()) or ()}
    if not projections or any(each.name not in stored for each in projections):
        return None
    by_name = {each.name: Checkpoint(*stored[each.name][:7]) for each in projections}
    head = stored[projections[0].name][7]
    return None if head is None else (by_name, head)


def read_events(database: Database, *, after: int, until: int) -> list[RecordedEvent] | None:
    """Return the events with after < position <= until, by position; they should be few.

    None behind a pooler of transactions, and if a stream has a snapshot: it is so long that the
    last rows of its histories are found faster by the ordinary path.
    """
    placeholder, instant = ("?", datetime.fromisoformat) if database.is_sqlite else ("%s", _same)
    rows = database.select(_EVENTS.format(placeholder), (after, until))
    if rows is None or any(row[11] for row in rows):
        return None
    return [
        to_event((*row[:4], instant(row[4]), *row[5:9], instant(row[9]), bool(row[10])))
        for row in rows
    ]


def write(database: Database, advances: Sequence[Advance]) -> bool:
    """Write a batch in one transaction; return False behind a pooler, with nothing written.

    Without fsync, as the ordinary path: a power cut may lose rows and checkpoints, but only
    together. Raises CheckpointMoved, with nothing written.
    """
    with database.autocommitting(durable=False) as driver:
        if driver is None:
            return False
        moved = (_write_to_sqlite if database.is_sqlite else _write_to_postgres)(driver, advances)
    if moved:
        raise CheckpointMoved(projection=moved.projection, position=moved.position)
    return True


def _write_to_sqlite(driver: Any, advances: Sequence[Advance]) -> Checkpoint | None:
    """Write a batch; return the checkpoint that has moved meanwhile, with nothing written."""
    statement = checkpoints.advance_statement("?")
    driver.execute("BEGIN IMMEDIATE")
    for each in advances:
        params = checkpoints.advance_params(each.before, each.after)
        if driver.execute(statement, params).rowcount != 1:
            driver.execute("ROLLBACK")
            return each.before
        for table, rows, on_conflict in _rows(each):
            driver.executemany(
                f"{bulk.sqlite_insert(table)} {on_conflict}",
                bulk.to_sqlite_params(list(table.columns), rows),
            )
    driver.execute("COMMIT")
    return None


def _write_to_postgres(driver: Any, advances: Sequence[Advance]) -> Checkpoint | None:
    """Write a batch in two round trips; return as `_write_to_sqlite` does."""
    statement = checkpoints.advance_statement("%s")
    with driver.pipeline() as pipeline, driver.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL synchronous_commit = off")
        updates = [
            driver.execute(statement, checkpoints.advance_params(each.before, each.after))
            for each in advances
        ]
        for each in advances:
            for table, rows, on_conflict in _rows(each):
                cursor.execute(
                    f"{bulk.postgres_insert(table)} {on_conflict}",
                    bulk.to_postgres_params(list(table.columns), rows),
                )
        pipeline.sync()
        for each, update in zip(advances, updates, strict=True):
            if update.rowcount != 1:
                cursor.execute("ROLLBACK")
                return each.before
        cursor.execute("COMMIT")
    return None


def _rows(advance: Advance) -> Iterator[tuple[Table, Sequence[Values], str]]:
    """Yield the tables to write to, each with its rows, and what is done with those that exist."""
    changed = advance.rows
    if changed.upserted:
        table = row_tables.table_of(advance.projection)
        yield table, changed.upserted, bulk.on_conflict(table)
    sizes = group_sizes.changes(advance.projection, new=changed.upserted, old=changed.replaced)
    if rows := group_sizes.to_values(advance.projection, sizes):
        table = tables.group_size
        yield table, rows, bulk.on_conflict_add(table, group_sizes.SUMS)


def _same(instant: Any) -> Any:
    return instant
