"""segment_membership: which segments a customer is in, one row a segment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "segment_membership",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("segment_id", Key, nullable=False),
        sa.Column("segment_name", sa.Text),
        sa.Column("is_member", sa.Boolean, nullable=False),
        sa.Column("entered_at", Instant),
        sa.Column("left_at", Instant),
        sa.Column("gaps", sa.BigInteger, nullable=False),
        sa.Column("changed_by", Key, nullable=False),
        sa.PrimaryKeyConstraint(
            "project_id", "customer_id", "segment_id", name="segment_membership_pkey"
        ),
    )


def downgrade() -> None:
    """Drop the table; a rebuild fills it again."""
    op.drop_table("segment_membership")
