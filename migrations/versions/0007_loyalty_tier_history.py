"""loyalty_tier_history: when a customer was on a tier, one row a period."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table; the projector fills it."""
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
        # A unique constraint and not an index: SQLite renames it with the table, as a swap needs.
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
    """Drop the table, and forget how far it was."""
    op.drop_table("loyalty_tier_history")
    op.execute("DELETE FROM checkpoint WHERE projection = 'loyalty_tier_history'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'loyalty_tier_history'")
