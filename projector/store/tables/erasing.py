"""The tables of erasures: what was erased, and what is not let in again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text

from projector.store.tables.base import metadata
from projector.store.types import Instant, Key, Long

#: Erasures of customers: see `projector.erasure`.
erasure = Table(
    "erasure",
    metadata,
    Column("erasure_id", Long, primary_key=True, autoincrement=False),
    Column("project_id", Key, nullable=False),
    Column("erased_at", Instant, nullable=False),
    # The operator's own, such as the number of a ticket; it may name no customer.
    Column("reference", Text),
    # How many customers, events, rows of projections and quarantine entries were erased.
    Column("customers", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("quarantined", BigInteger, nullable=False),
    # The position of the event that tells of the erasure. Null within the erasure's transaction
    # only: then the triggers let events become markers.
    Column("position", BigInteger),
    # When what is left of the erased bytes in the files of the database was overwritten.
    Column("purged_at", Instant),
)

#: The streams of erased customers; their ids are not assigned again.
erased_stream = Table(
    "erased_stream",
    metadata,
    Column("stream_id", Long, primary_key=True, autoincrement=False),
    Column("erasure_id", BigInteger, nullable=False),
)

#: What is not let in again: see `projector.store.erasure.digests`.
suppressed = Table(
    "suppressed",
    metadata,
    Column("digest", Key, primary_key=True),
    Column("erasure_id", BigInteger, nullable=False),
)

#: Keys of the program's own: that of the digests in `suppressed`.
secret = Table(
    "secret",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: The keys of encrypted archives: see `projector.store.erasure.key_tree`. From a key follow those
#: of all positions from the first to the last; no two rows cover the same position.
archive_key = Table(
    "archive_key",
    metadata,
    Column("first_position", Long, primary_key=True, autoincrement=False),
    Column("last_position", BigInteger, nullable=False),
    # 32 bytes.
    Column("key", LargeBinary, nullable=False),
)
