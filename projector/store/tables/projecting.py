"""The bookkeeping of projections: how far they are, what failed, sizes and snapshots."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Date, Index, Integer, Table, Text

from projector.store.tables.base import metadata
from projector.store.types import Instant, Key

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("projection", Key, primary_key=True),
    # The projection's rows contain every event up to this position.
    Column("position", BigInteger, nullable=False),
    # The version of the fold that wrote the rows.
    Column("version", Integer, nullable=False),
    # Incremented when rows are written other than by going forward (rebuild, retry): a projector
    # that computed from older rows then loses its compare-and-set.
    Column("generation", BigInteger, nullable=False),
    # The order-independent digest of all rows: equal rows have equal digests, on any database.
    Column("digest", Text, nullable=False),
    # The layout of the table that the rows were written to: see `fingerprint`.
    Column("fingerprint", Text, nullable=False),
    # The error for which the projection is set aside; null while it runs.
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

#: The number of dead letters by reason (by its first 500 characters), which triggers keep.
dead_letter_reason = Table(
    "dead_letter_reason",
    metadata,
    Column("projection", Key, primary_key=True),
    Column("reason", Key, primary_key=True),
    Column("count", BigInteger, nullable=False),
)

#: The sizes of groups as sums: how many memberships of a group began and ended on a day.
group_size = Table(
    "group_size",
    metadata,
    # The projection whose rows are counted.
    Column("projection", Key, primary_key=True),
    Column("project_id", Key, primary_key=True),
    # Empty for groups that belong to no campaign.
    Column("campaign_id", Key, primary_key=True),
    Column("group_id", Key, primary_key=True),
    # The hash of the names that the rows have, because names may be too long for a key.
    Column("names_hash", Key, primary_key=True),
    # In UTC. Memberships of unknown beginning count on the day 0001-01-01, also with their end.
    Column("day", Date, primary_key=True),
    # The names as a JSON array; empty for histories.
    Column("names", Text, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("exits", BigInteger, nullable=False),
)

#: States of long streams as of some of their events, from which a fold goes on: see `snapshots`.
snapshot = Table(
    "snapshot",
    metadata,
    Column("projection", Key, primary_key=True),
    Column("stream_id", BigInteger, primary_key=True, autoincrement=False),
    # The canonical key of the last event in the state.
    Column("occurred_at", Instant, primary_key=True),
    Column("event_id", Key, primary_key=True),
    # The greatest position of the events in the state.
    Column("complete_at", BigInteger, nullable=False),
    # Every event of the stream with a greater key has a greater position than this.
    Column("tail_after", BigInteger, nullable=False),
    # The version of the fold and the layout of the rows, as in `checkpoint`.
    Column("version", Integer, nullable=False),
    Column("fingerprint", Text, nullable=False),
    # The rows of the state, as a JSON array.
    Column("state", Text, nullable=False),
)
