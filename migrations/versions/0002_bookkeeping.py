"""Creates the tables beside the log: quarantine, duplicates, checkpoints, dead letters, leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key, Long

revision = "0002"
down_revision = "0001"

_UNRESOLVED = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Create the tables."""
    _create_quarantine()
    op.create_table(
        "duplicate",
        sa.Column("position", Long, autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_received_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("position", name="duplicate_pkey"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("projection", Key, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("projection", name="checkpoint_pkey"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("projection", Key, nullable=False),
        sa.Column("position", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("stream_id", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("projection", "position", name="dead_letter_pkey"),
    )
    op.create_index(
        "dead_letter_stream_idx", "dead_letter", ["projection", "stream_id", "position"]
    )
    op.create_table(
        "lease",
        sa.Column("job", Key, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("heartbeats", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job", name="lease_pkey"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in ("lease", "dead_letter", "checkpoint", "duplicate", "quarantine"):
        op.drop_table(table)


def _create_quarantine() -> None:
    op.create_table(
        "quarantine",
        # Ids are assigned under the lock of the log head, because a Postgres sequence can go back.
        sa.Column("quarantine_id", Long, autoincrement=False, nullable=False),
        sa.Column("digest", Key, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("project_id", Key),
        sa.Column("event_id", Key),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("default_project_id", sa.Text),
        sa.Column("default_type", sa.Text),
        sa.Column("default_occurred_at", Instant),
        sa.Column("default_customer_id", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("resolved_at", Instant),
        sa.Column("resolved_position", sa.BigInteger),
        sa.PrimaryKeyConstraint("quarantine_id", name="quarantine_pkey"),
        sa.UniqueConstraint("digest", name="quarantine_digest_key"),
    )
    op.create_index("quarantine_reason_idx", "quarantine", ["reason", "quarantine_id"])
    op.create_index("quarantine_event_id_idx", "quarantine", ["event_id"])
    _index_unresolved("quarantine_unresolved_idx", "quarantine_id")
    _index_unresolved("quarantine_unresolved_reason_idx", "reason", "quarantine_id", "resolved_at")


def _index_unresolved(name: str, *columns: str) -> None:
    op.create_index(
        name, "quarantine", columns, sqlite_where=_UNRESOLVED, postgresql_where=_UNRESOLVED
    )
