"""Erases customers by SQL, table by table, with no code of an erasure."""

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    String,
    Table,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from projector.projections import discover
from projector.store.database import Database
from projector.store.row_tables import table_of
from projector.store.tables import (
    activity,
    dead_letter,
    dead_letter_reason,
    duplicate,
    erased_stream,
    erasure,
    event,
    group_size,
    job,
    leaf,
    quarantine,
    snapshot,
    stream,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def erase(database: Database, customers: Collection[str], word: str) -> int:
    """Erase customers, and all that has a word in a small table; return the id of the erasure."""
    with database.writing() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete = ON")
        last = connection.execute(select(func.max(erasure.c.erasure_id))).scalar_one()
        erasure_id = (last or 0) + 1
        counts = dict.fromkeys(("customers", "events", "rows", "quarantined"), 1)
        row = {"erasure_id": erasure_id, "project_id": "", "erased_at": datetime.now(UTC)}
        connection.execute(insert(erasure).values({**row, **counts}))
        of_customers = stream.c.customer_id.in_(customers)
        found = select(stream.c.stream_id, literal(erasure_id)).where(of_customers)
        connection.execute(insert(erased_stream).from_select(["stream_id", "erasure_id"], found))
        ids = select(erased_stream.c.stream_id).where(erased_stream.c.erasure_id == erasure_id)
        positions = select(event.c.position).where(event.c.stream_id.in_(ids))
        for table in (*map(table_of, discover()), activity):
            connection.execute(delete(table).where(table.c.customer_id.in_(customers)))
        for table in (dead_letter, snapshot):
            connection.execute(delete(table).where(table.c.stream_id.in_(ids)))
        connection.execute(delete(duplicate).where(duplicate.c.position.in_(positions)))
        connection.execute(
            update(event).where(event.c.stream_id.in_(ids)).values(_marker(erasure_id))
        )
        erased = select(event.c.position).where(event.c.source == "erased")
        connection.execute(update(leaf).where(leaf.c.position.in_(erased)).values(salt=None))
        nameless = {
            "customer_id": literal("erased:") + cast(stream.c.stream_id, String),
            "last_occurred_at": _EPOCH,
            "last_event_id": "",
        }
        connection.execute(update(stream).where(stream.c.stream_id.in_(ids)).values(nameless))
        for each in (dead_letter_reason, group_size, job):
            connection.execute(delete(each).where(_has(connection, each, word)))
        connection.execute(
            update(quarantine)
            .where(_has(connection, quarantine, word))
            .values(
                digest=literal("erased:") + cast(quarantine.c.quarantine_id, String),
                reason="erased",
                detail="",
                project_id=None,
                event_id=None,
                body=b"",
                resolved_at=_EPOCH,
            )
        )
        is_open = erasure.c.erasure_id == erasure_id
        connection.execute(update(erasure).where(is_open).values(position=1))
    return erasure_id


def _marker(erasure_id: int) -> dict[str, object]:
    return {
        "event_id": literal("erased:") + cast(event.c.position, String),
        "type": "erased",
        "stream_id": None,
        "late": False,
        "source": "erased",
        "occurred_at": event.c.received_at,
        "body": f'{{"erased":{erasure_id}}}',
    }


def _has(connection: Connection, table: Table, word: str) -> ColumnElement[bool]:
    """The condition of the rows that have a word, which are few."""
    key = list(table.primary_key.columns)
    found = [
        tuple(row._mapping[column] for column in key)
        for row in connection.execute(select(table)).all()
        if word in repr(tuple(row))
    ]
    return tuple_(*key).in_(found)
