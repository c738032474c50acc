"""Creates snapshot: states of long streams; on Postgres indexes a stream's events by position."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Create the table, and on Postgres replace the index."""
    op.create_table(
        "snapshot",
        sa.Column("projection", Key, nullable=False),
        sa.Column("stream_id", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("occurred_at", Instant, nullable=False),
        sa.Column("event_id", Key, nullable=False),
        sa.Column("complete_at", sa.BigInteger, nullable=False),
        sa.Column("tail_after", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint(
            "projection", "stream_id", "occurred_at", "event_id", name="snapshot_pkey"
        ),
    )
    # SQLite's index of streams contains the positions in order.
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("event_stream_id_position_idx", "event", ["stream_id", "position"])
        op.drop_index("event_stream_id_idx", "event")


def downgrade() -> None:
    """Drop the table, and on Postgres restore the index."""
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("event_stream_id_idx", "event", ["stream_id"])
        op.drop_index("event_stream_id_position_idx", "event")
    op.drop_table("snapshot")
