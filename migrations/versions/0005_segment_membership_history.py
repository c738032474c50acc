"""Creates segment_membership_history: one row for each period of a membership."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table, empty: the next run folds the log into it."""
    op.create_table(
        "segment_membership_history",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("segment_id", Key, nullable=False),
        sa.Column("period", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("segment_name", sa.Text),
        sa.Column("valid_from", Instant),
        sa.Column("valid_to", Instant),
        sa.Column("opened_by", Key),
        sa.Column("closed_by", Key),
        sa.Column("ended_by_deletion", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id",
            "customer_id",
            "segment_id",
            "period",
            name="segment_membership_history_pkey",
        ),
        # A unique constraint, not an index: SQLite renames its index with the table in a swap.
        sa.UniqueConstraint(
            "segment_id",
            "project_id",
            "customer_id",
            "period",
            name="segment_membership_history_segment_id_key",
        ),
    )


def downgrade() -> None:
    """Drop the table, its checkpoint and its dead letters."""
    op.drop_table("segment_membership_history")
    op.execute("DELETE FROM checkpoint WHERE projection = 'segment_membership_history'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'segment_membership_history'")
