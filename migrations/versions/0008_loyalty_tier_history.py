"""loyalty_tier_history: from when to when a customer was on a tier, one row a stint."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "loyalty_tier_history",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("stint", sa.BigInteger, autoincrement=False, nullable=False),
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
            "project_id", "customer_id", "campaign_id", "stint", name="loyalty_tier_history_pkey"
        ),
    )
    op.create_index(
        "loyalty_tier_history_tier_id_idx",
        "loyalty_tier_history",
        ["tier_id", "project_id", "customer_id", "campaign_id"],
    )


def downgrade() -> None:
    """Drop the table; the projector fills it again."""
    op.drop_table("loyalty_tier_history")
    # A dead letter that stayed would be in the way of itself.
    for table in ("checkpoint", "dead_letter"):
        op.execute(
            sa.delete(sa.table(table, sa.column("projection"))).where(
                sa.column("projection") == "loyalty_tier_history"
            )
        )
