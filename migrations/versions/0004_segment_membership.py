"""Creates segment_membership: one row for each customer and segment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the table, empty: the next run folds the log into it."""
    op.create_table(
        "segment_membership",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("segment_id", Key, nullable=False),
        sa.Column("segment_name", sa.Text),
        sa.Column("is_member", sa.Boolean, nullable=False),
        sa.Column("entered_at", Instant),
        sa.Column("left_at", Instant),
        sa.Column("ended_by_deletion", sa.Boolean, nullable=False),
        sa.Column("gaps", sa.BigInteger, nullable=False),
        sa.Column("changed_by", Key, nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "customer_id", "segment_id", name="segment_membership_pkey"
        ),
        # A unique constraint, not an index: SQLite renames its index with the table in a swap.
        sa.UniqueConstraint(
            "segment_id",
            "is_member",
            "project_id",
            "customer_id",
            name="segment_membership_segment_id_key",
        ),
    )


def downgrade() -> None:
    """Drop the table, its checkpoint and its dead letters."""
    op.drop_table("segment_membership")
    op.execute("DELETE FROM checkpoint WHERE projection = 'segment_membership'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'segment_membership'")
