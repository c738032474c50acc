"""The tables, as users read them with SQL. Migrations make them; a test holds the two together."""

from __future__ import annotations

import types
import typing
from datetime import date, datetime
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
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

from projector.projections.projection import Identifier, Projection
from projector.projections.rebuilding import SHADOW
from projector.store.types import Instant, Key, Long

#: The revision of the newest migration. Kept here so that opening a database needs no Alembic;
#: a test compares it with the migrations.
SCHEMA_REVISION = "0008"

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

#: Entries of the quarantine that no retry could resolve so far.
_UNRESOLVED = text("resolved_at IS NULL")

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
    Column("default_project_id", Text),
    Column("default_type", Text),
    Column("default_occurred_at", Instant),
    # Bytes, for not everything that arrives is text.
    Column("body", LargeBinary, nullable=False),
    # Set when a retry could file it: when that was, and the position of its event.
    Column("resolved_at", Instant),
    Column("resolved_position", BigInteger),
    UniqueConstraint("digest"),
    Index("quarantine_reason_idx", "reason", "quarantine_id"),
    Index(None, "event_id"),
    *(
        Index(name, *columns, sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED)
        for name, columns in (
            ("quarantine_unresolved_idx", ("quarantine_id",)),
            # The last column is for SQLite, which else reads the row to see that it is unresolved.
            ("quarantine_unresolved_reason_idx", ("reason", "quarantine_id", "resolved_at")),
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
    Column("generation", BigInteger, nullable=False),
    # Of all rows, whatever their order: equal rows have equal digests, on any database.
    Column("digest", Text, nullable=False),
    # Of the columns that the rows were written with: see `fingerprint`.
    Column("fingerprint", Text, nullable=False),
    # Why the projection is set aside; null while it runs.
    Column("error", Text),
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
    Column("heartbeats", BigInteger, nullable=False),
)

_COLUMN_TYPES: dict[type, TypeEngine[Any]] = {
    str: Text(),
    bool: Boolean(),
    int: BigInteger(),
    datetime: Instant(),
    date: Date(),
}


@cache
def table_of(projection: Projection) -> Table:
    """Build the table of a projection, or of its shadow.

    Constraints have the names of the live table's, also in a shadow: so on SQLite, where only the
    names of tables must differ, a shadow that takes the live table's place is the same to the
    letter.
    """
    live_name = projection.name.removesuffix(SHADOW)
    identity = ("project_id", "customer_id", *projection.key)
    return Table(
        projection.name,
        MetaData(),
        Column("project_id", Key, nullable=False),
        Column("customer_id", Key, nullable=False),
        *_row_columns(projection),
        PrimaryKeyConstraint(*identity, name=f"{live_name}_pkey"),
        *(_index(live_name, columns, identity) for columns in projection.indexes),
    )


@cache
def fingerprint(projection: Projection) -> str:
    """Hash what decides the layout of a projection's table: its columns, its keys, its indexes."""
    columns = [
        [str(each.name), type(each.type).__name__, each.nullable]
        for each in _row_columns(projection)
    ]
    layout = msgspec.json.encode([columns, projection.key, projection.indexes])
    return blake2b(layout, digest_size=8).hexdigest()


def _row_columns(projection: Projection) -> list[Column[Any]]:
    hints = typing.get_type_hints(projection.row, include_extras=True)
    return [_column(name, hints[name], is_key=name in projection.key) for name in projection.fields]


def _column(name: str, annotation: Any, *, is_key: bool) -> Column[Any]:
    """The column of a row's field: `T` or `T | None`."""
    is_optional = typing.get_origin(annotation) in (types.UnionType, typing.Union)
    kinds = typing.get_args(annotation) if is_optional else (annotation,)
    [kind] = [kind for kind in kinds if kind is not types.NoneType]
    is_identifier = kind == Identifier or (is_key and kind is str)
    column_type = Key if is_identifier else _COLUMN_TYPES[kind]
    return Column(name, column_type, nullable=is_optional, autoincrement=False)


def _index(live_name: str, columns: tuple[str, ...], identity: tuple[str, ...]) -> UniqueConstraint:
    """An index over columns, in the form of a constraint: with the primary key they are unique.

    SQLite renames a table's constraints with the table, as a swap needs, and cannot rename an
    index. The name has the first column only: all of them make a name too long for Postgres.
    """
    more = [name for name in identity if name not in columns]
    return UniqueConstraint(*columns, *more, name=f"{live_name}_{columns[0]}_key")
