"""Creates loyalty_tier_history: one row for each period on a tier."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table, empty: the next run folds the log into it."""
    op.create_table(
        "loyalty_tier_history",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("period", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("campaign_name", sa.Text),
        sa.Column("tier_id", Key, nullable=False),
        sa.Column("tier_name", sa.Text),
        sa.Column("previous_tier_id", Key),
        sa.Column("joined_at", Instant),
        sa.Column("valid_from", Instant),
        sa.Column("valid_to", Instant),
        sa.Column("opened_by", Key),
        sa.Column("closed_by", Key),
        sa.PrimaryKeyConstraint(
            "project_id", "customer_id", "campaign_id", "period", name="loyalty_tier_history_pkey"
        ),
        # A unique constraint, not an index: SQLite renames its index with the table in a swap.
        sa.UniqueConstraint(
            "tier_id",
            "project_id",
            "customer_id",
            "campaign_id",
            "period",
            name="loyalty_tier_history_tier_id_key",
        ),
    )


def downgrade() -> None:
    """Drop the table, its checkpoint and its dead letters."""
    op.drop_table("loyalty_tier_history")
    op.execute("DELETE FROM checkpoint WHERE projection = 'loyalty_tier_history'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'loyalty_tier_history'")
