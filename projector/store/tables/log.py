"""The tables of the log: events, their streams and seals, and the deliveries beside them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from projector.store.tables.base import ONLY_ON, metadata
from projector.store.types import Instant, Key, Long

#: The condition of a marker of an erased event, or of an event of the program itself.
_ERASED = text("source IN ('erased', 'projector')")

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
    # Text on both databases, byte for byte: jsonb would reorder and rewrite it, json would parse
    # it again.
    Column("body", Text, nullable=False),
    UniqueConstraint("project_id", "event_id"),
    # A stream's events by position. SQLite's indexes contain the primary key anyway.
    Index(None, "stream_id", info={ONLY_ON: "sqlite"}),
    Index(None, "stream_id", "position", info={ONLY_ON: "postgresql"}),
    # Markers, and the events that tell of their erasures.
    Index("event_erased_idx", "position", sqlite_where=_ERASED, postgresql_where=_ERASED),
)

stream = Table(
    "stream",
    metadata,
    Column("stream_id", Long, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("customer_id", Key, nullable=False),
    # The greatest canonical key so far: an event with a smaller key is late.
    Column("last_occurred_at", Instant, nullable=False),
    Column("last_event_id", Key, nullable=False),
    # The customer first: queries have a customer id, but often no project.
    UniqueConstraint("customer_id", "project_id"),
)

log_head = Table(
    "log_head",
    metadata,
    Column("log_head_id", Integer, primary_key=True, autoincrement=False),
    # The position of the last event. Every writer locks this row until its commit, so that
    # positions are dense and become visible in order.
    Column("position", BigInteger, nullable=False),
    # The last stream_id that was assigned.
    Column("stream_id", BigInteger, nullable=False),
    CheckConstraint("log_head_id = 1", name="one_row"),
)

#: The seal of each event: see `projector.tlog.record`.
leaf = Table(
    "leaf",
    metadata,
    # That of the event.
    Column("position", Long, primary_key=True, autoincrement=False),
    # Random bytes, without which an event cannot be guessed by its commitment. Null if they are
    # destroyed.
    Column("salt", LargeBinary),
    # SHA-256 of the salt and the event's record.
    Column("commitment", LargeBinary, nullable=False),
)

#: Roots of complete subtrees of 256 ** level leaves: a cache, which may be emptied any time.
subtree = Table(
    "subtree",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    # How many subtrees of this level come before it.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

#: The condition of a quarantine entry that no retry has resolved so far.
_UNRESOLVED = text("resolved_at IS NULL")

quarantine = Table(
    "quarantine",
    metadata,
    Column("quarantine_id", Long, primary_key=True, autoincrement=False),
    # The identity of the delivery: the same broken delivery twice is one entry (idempotent).
    Column("digest", Key, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("project_id", Key),
    Column("event_id", Key),
    Column("received_at", Instant, nullable=False),
    # The caller's defaults for the delivery: a retry parses it with the same ones.
    Column("default_project_id", Text),
    Column("default_type", Text),
    Column("default_occurred_at", Instant),
    Column("default_customer_id", Text),
    # Bytes, because not everything that arrives is text.
    Column("body", LargeBinary, nullable=False),
    # Set when a retry resolves the entry: the time, and the position of its event.
    Column("resolved_at", Instant),
    Column("resolved_position", BigInteger),
    UniqueConstraint("digest"),
    Index("quarantine_reason_idx", "reason", "quarantine_id"),
    Index(None, "event_id"),
    *(
        Index(name, *columns, sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED)
        for name, columns in (
            ("quarantine_unresolved_idx", ("quarantine_id",)),
            # With the last column SQLite need not read the row to check that it is unresolved.
            ("quarantine_unresolved_reason_idx", ("reason", "quarantine_id", "resolved_at")),
        )
    ),
)

#: Counts of duplicates, which are not stored themselves, because they repeat an event of the log.
duplicate = Table(
    "duplicate",
    metadata,
    Column("position", Long, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
    Column("last_received_at", Instant, nullable=False),
)
