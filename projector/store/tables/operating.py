"""The tables of operation: access, feeds, jobs, runs against Voucherify, and leases."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from projector.store.tables.base import metadata
from projector.store.types import Instant, Key, Long

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
