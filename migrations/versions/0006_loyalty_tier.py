"""Creates loyalty_tier: one row for each customer and campaign."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the table, empty: the next run folds the log into it."""
    op.create_table(
        "loyalty_tier",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("campaign_name", sa.Text),
        sa.Column("tier_id", Key),
        sa.Column("tier_name", sa.Text),
        sa.Column("points_from", sa.BigInteger),
        sa.Column("points_to", sa.BigInteger),
        sa.Column("joined_at", Instant),
        sa.Column("expires_on", sa.Date),
        sa.Column("previous_tier_id", Key),
        sa.Column("left_at", Instant),
        sa.Column("certain", sa.Boolean, nullable=False),
        sa.Column("gaps", sa.BigInteger, nullable=False),
        sa.Column("changed_by", Key, nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "customer_id", "campaign_id", name="loyalty_tier_pkey"
        ),
        # A unique constraint, not an index: SQLite renames its index with the table in a swap.
        sa.UniqueConstraint(
            "tier_id", "project_id", "customer_id", "campaign_id", name="loyalty_tier_tier_id_key"
        ),
        sa.UniqueConstraint(
            "expires_on",
            "project_id",
            "customer_id",
            "campaign_id",
            name="loyalty_tier_expires_on_key",
        ),
    )


def downgrade() -> None:
    """Drop the table, its checkpoint and its dead letters."""
    op.drop_table("loyalty_tier")
    op.execute("DELETE FROM checkpoint WHERE projection = 'loyalty_tier'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'loyalty_tier'")
