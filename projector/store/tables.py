"""Defines the tables of the program, which users read with SQL; see `row_tables` for the others.

Migrations create them; a test compares the two.
"""

from __future__ import annotations

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
    Table,
    Text,
    UniqueConstraint,
    text,
)

from projector.store.types import Instant, Key, Long

#: The revision of the newest migration. Kept here so that opening a database needs no Alembic;
#: a test compares it with the migrations.
SCHEMA_REVISION = "0020"

#: The table with the revision of the schema: Alembic's, by a name of the program's own, because
#: another application in the same schema may have its `alembic_version`.
VERSION_TABLE = "projector_schema"

#: The key of an index's `info` that names the only dialect whose migrations create the index.
ONLY_ON = "dialect"

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

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

#: Access tokens of the HTTP API. The token itself is not stored: only its bearer knows it.
token = Table(
    "token",
    metadata,
    Column("token_id", Key, primary_key=True),
    # The name that an operator gave it.
    Column("name", Text, nullable=False),
    # The scopes that it grants, separated by commas: read, write, admin.
    Column("scopes", Text, nullable=False),
    # The SHA-256 of its secret part, in hex.
    Column("digest", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

#: Who is signed in to the console. The session itself is not stored: only its browser knows it.
session = Table(
    "session",
    metadata,
    # The SHA-256 of the cookie, in hex.
    Column("digest", Key, primary_key=True),
    # The token that it was signed in with: the session ends when the token is revoked.
    Column("token_id", Key, nullable=False),
    Column("created_at", Instant, nullable=False),
    # The last request, give or take a few minutes.
    Column("seen_at", Instant, nullable=False),
)

#: The deliveries of each feed, by the hour in which they arrived and by what became of them.
feed_hour = Table(
    "feed_hour",
    metadata,
    # The beginning of the hour, in UTC.
    Column("hour", Instant, primary_key=True),
    # Empty if the delivery names none.
    Column("project_id", Key, primary_key=True),
    # The distribution or webhook of the vendor that sent it; empty if the delivery names none, and
    # `other` beyond the first 500 of a project.
    Column("sender", Key, primary_key=True),
    # `other` if the vocabulary lacks it; empty if the delivery could not be read.
    Column("type", Key, primary_key=True),
    # live, file, backfill, retry or earlier: see `feed_counts.Channel`.
    Column("channel", Key, primary_key=True),
    Column("outcome", Key, primary_key=True),
    Column("deliveries", BigInteger, nullable=False),
    # How many of those that were appended arrived up to so long after they occurred: a histogram.
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            "late_10s",
            "late_90s",
            "late_1h",
            "late_6h",
            "late_1d",
            "late_3d",
            "late_more",
            # They arrived more than 10 seconds before they occurred: a clock is wrong.
            "early",
        )
    ),
    # The last of them. In no index: Postgres updates a row in its page only if no index changes.
    Column("last_at", Instant, nullable=False),
    Index("feed_hour_sender_idx", "project_id", "sender"),
)

#: The condition of a job that waits or runs.
_UNENDED = text("ended_at IS NULL")

#: Rebuilds, verifications and retries that were asked for over HTTP.
job = Table(
    "job",
    metadata,
    Column("job_id", Long, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    # What it was asked for with, as a JSON object.
    Column("arguments", Text, nullable=False),
    # The name of the token.
    Column("asked_by", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("began_at", Instant),
    Column("ended_at", Instant),
    Column("phase", Text),
    Column("phase_began_at", Instant),
    # The steps of the phase that are done, and all of them.
    Column("done", BigInteger),
    Column("total", BigInteger),
    # As on the command line; null until it ends, and if the server ended before it.
    Column("exit_code", Integer),
    # The JSON that the command printed, with its lists cut; null if it failed.
    Column("result", Text),
    # Why it failed, as a sentence; null if it did not.
    Column("problem", Text),
    Index("job_unended_idx", "job_id", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
)

#: How far each customer's activity was read from Voucherify: see `projector.backfill`.
activity = Table(
    "activity",
    metadata,
    Column("project_id", Key, primary_key=True),
    Column("customer_id", Key, primary_key=True),
    # The events that were asked for: empty for all, else a type, a time or both.
    Column("scope", Key, primary_key=True),
    # reading, done, absent or failed: see `store.activity.Status`.
    Column("status", Text, nullable=False),
    # The last event of the last page that is in the log.
    Column("cursor", Text),
    # When the reading with that page began, by the API's clock.
    Column("begun_at", Instant),
    # The time of the newest event that was read, but no later than the reading with it began.
    Column("newest_at", Instant),
    # When the activity was last read to its end, or the customer found to be absent.
    Column("read_at", Instant),
    # The requests and the entries of all readings.
    Column("requests", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    # Why the last reading failed, as a sentence; null if it did not.
    Column("problem", Text),
)

#: Comparisons of the tables with Voucherify, by their runs.
reconciliation = Table(
    "reconciliation",
    metadata,
    # `rec_` and random characters; in the evidence of observations, too.
    Column("run_id", Key, primary_key=True),
    Column("project_id", Key, nullable=False),
    Column("begun_at", Instant, nullable=False),
    # Null while it goes on, and if the process was killed.
    Column("ended_at", Instant),
    # `api` or the kind of a file; a file's name is not kept.
    Column("source", Text, nullable=False),
    # Customers that were compared, and those of whom something differed.
    Column("compared", BigInteger, nullable=False),
    Column("differing", BigInteger, nullable=False),
    # Differences that were repaired, and those that remain.
    Column("repaired", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    # JSON: the number of differences by reason.
    Column("reasons", Text, nullable=False),
    # Why it ended early; null if it did not.
    Column("stopped", Text),
    Index("reconciliation_ended_idx", "project_id", "ended_at"),
)

#: Leases: which one of several processes does a job (leader election).
lease = Table(
    "lease",
    metadata,
    Column("job", Key, primary_key=True),
    # Null once it was released.
    Column("holder", Text),
    # Incremented by the holder: another process that sees no heartbeat for a while takes the lease
    # over. Times are not stored, because the clocks of several machines differ.
    Column("heartbeats", BigInteger, nullable=False),
)

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
