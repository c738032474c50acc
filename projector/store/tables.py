"""The tables, as users read them with SQL. Migrations make them; a test holds the two together."""

from __future__ import annotations

import types
import typing
from datetime import date, datetime
from typing import Any

import attrs
from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from projector.projections import discover
from projector.projections.projection import Projection
from projector.store.types import Instant, Key, Long

#: The revision of the newest migration. Kept here so that opening a database needs no Alembic;
#: a test compares it with the migrations.
SCHEMA_REVISION = "0015"

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

event = Table(
    "event",
    metadata,
    Column("position", Long, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("event_id", Key, nullable=False),
    Column("type", Text, nullable=False),
    Column("stream_id", Long),
    Column("occurred_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("source", Text, nullable=False),
    # Text on both databases: jsonb would re-order and re-write it, json would parse it again.
    Column("body", Text, nullable=False),
    UniqueConstraint("project_id", "event_id"),
    Index(None, "stream_id"),
)

stream = Table(
    "stream",
    metadata,
    Column("stream_id", Long, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("customer_id", Key, nullable=False),
    # The greatest canonical key so far: an event below it is late.
    Column("last_occurred_at", Instant, nullable=False),
    Column("last_event_id", Key, nullable=False),
    # The customer first: people ask by customer id, often without the project.
    UniqueConstraint("customer_id", "project_id"),
)

log_head = Table(
    "log_head",
    metadata,
    Column("log_head_id", Integer, primary_key=True, autoincrement=False),
    # The position of the last event. Whoever appends locks this row until the commit, so that
    # positions are dense and become visible in their order.
    Column("position", BigInteger, nullable=False),
    # The last stream_id given out.
    Column("stream_id", BigInteger, nullable=False),
    CheckConstraint("log_head_id = 1", name="one_row"),
)

#: Of the quarantine: what no retry could file so far.
_WAITING = text("resolved_at IS NULL")

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Long, primary_key=True, autoincrement=False),
    # The same broken delivery twice is one entry.
    Column("digest", Key, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("project_id", Key),
    Column("event_id", Key),
    Column("received_at", Instant, nullable=False),
    # What the caller said of the delivery: a retry reads it in the same light.
    Column("given_project_id", Text),
    Column("given_type", Text),
    Column("given_occurred_at", Instant),
    # Bytes, for not everything that arrives is text.
    Column("body", LargeBinary, nullable=False),
    # Set when a retry could file it: when that was, and the position of its event.
    Column("resolved_at", Instant),
    Column("resolved_position", BigInteger),
    UniqueConstraint("digest"),
    Index("quarantine_reason_idx", "reason", "quarantine_id"),
    Index(None, "event_id"),
    *(
        Index(name, *columns, sqlite_where=_WAITING, postgresql_where=_WAITING)
        for name, columns in (
            ("quarantine_waiting_idx", ("quarantine_id",)),
            # The last column is for SQLite, which else reads the row to see that it waits.
            ("quarantine_waiting_reason_idx", ("reason", "quarantine_id", "resolved_at")),
        )
    ),
)

#: Deliveries that repeated an event of the log said nothing new: only their number is kept.
duplicate = Table(
    "duplicate",
    metadata,
    Column("position", Long, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("last_received_at", Instant, nullable=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("projection", Key, primary_key=True),
    # Everything up to here is in the projection's rows.
    Column("position", BigInteger, nullable=False),
    # The version of the fold that wrote the rows.
    Column("version", Integer, nullable=False),
    # Counts the times that rows were written otherwise than by going forward (rebuild, retry):
    # a projector that computed from older rows then loses its compare-and-set.
    Column("revision", BigInteger, nullable=False),
    # Of all rows, whatever their order: equal rows have equal digests, on any database.
    Column("digest", Text, nullable=False),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("projection", Key, primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("stream_id", BigInteger),
    Column("reason", Text, nullable=False),
    Index("dead_letter_stream_idx", "projection", "stream_id", "position"),
)

#: Who may come in by the network. A token itself is known to its bearer alone.
token = Table(
    "token",
    metadata,
    Column("token_id", Key, primary_key=True),
    # What people call it.
    Column("name", Text, nullable=False),
    # What it opens, separated by commas: read, write, admin.
    Column("scopes", Text, nullable=False),
    # The SHA-256 of its secret part, in hex.
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

#: Which of several processes does a job that one of them is enough for.
lease = Table(
    "lease",
    metadata,
    Column("job", Key, primary_key=True),
    # None once it was given back.
    Column("holder", Text),
    # Counts the holder's signs of life: who sees it stand still takes the lease over. Times are
    # not kept, for the clocks of several machines differ.
    Column("beats", BigInteger, nullable=False),
)

_COLUMN_TYPES: dict[type, TypeEngine[Any]] = {
    str: Text(),
    bool: Boolean(),
    int: BigInteger(),
    datetime: Instant(),
    date: Date(),
}


def _column(projection: Projection, name: str, annotation: Any) -> Column[Any]:
    """The column of a row's field: `T` or `T | None`."""
    kinds = [
        kind for kind in typing.get_args(annotation) or (annotation,) if kind is not types.NoneType
    ]
    nullable = len(kinds) < len(typing.get_args(annotation) or (annotation,))
    is_key = name in projection.key
    is_identifier = kinds[0] is str and (is_key or name.endswith(("_id", "_by")))
    column_type = Key if is_identifier else _COLUMN_TYPES[kinds[0]]
    return Column(name, column_type, nullable=nullable, autoincrement=False)


def _state_table(projection: Projection, name: str, metadata: MetaData) -> Table:
    """The table of a projection; under whatever name, its constraints have those of the live one.

    So on SQLite, where only tables have names that must differ, a table that takes the place of
    the live one is the same to the letter.
    """
    hints = typing.get_type_hints(projection.row)
    identity = ("project_id", "customer_id", *projection.key)
    return Table(
        name,
        metadata,
        Column("project_id", Key, nullable=False),
        Column("customer_id", Key, nullable=False),
        *(
            _column(projection, field.name, hints[field.name])
            for field in attrs.fields(projection.row)
        ),
        PrimaryKeyConstraint(*identity, name=f"{projection.name}_pkey"),
        *(_lookup(projection, columns, identity) for columns in projection.lookups),
    )


def _lookup(
    projection: Projection, columns: tuple[str, ...], identity: tuple[str, ...]
) -> UniqueConstraint:
    """An index over columns, in the form of a constraint: with the primary key they are unique.

    SQLite renames a table's constraints with the table, as a rebuild needs it, and has no way to
    rename an index. The first column tells them apart; all of them make a name too long for
    Postgres.
    """
    more = [name for name in identity if name not in columns]
    return UniqueConstraint(*columns, *more, name=f"{projection.name}_{columns[0]}_key")


#: The ending of the names of tables that a rebuild fills, and of their checkpoints.
SHADOW = "_shadow"

#: The current-state table of each projection, by the projection's name.
state: dict[str, Table] = {
    projection.name: _state_table(projection, projection.name, metadata)
    for projection in discover()
}

#: Those that a rebuild fills, by their own names: no migration knows them.
_shadows: dict[str, Table] = {
    name: _state_table(projection, name, MetaData())
    for projection in discover()
    for name in (projection.name + SHADOW,)
}


def table_of(projection: Projection) -> Table:
    """The table of a projection or of a shadow."""
    table = state.get(projection.name)
    return _shadows[projection.name] if table is None else table
