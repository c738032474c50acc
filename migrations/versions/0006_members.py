"""Indexes for listing the members of a segment and of a tier, page by page."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the indexes."""
    op.create_index(
        "segment_membership_segment_id_idx",
        "segment_membership",
        ["segment_id", "is_member", "project_id", "customer_id"],
    )
    op.create_index(
        "loyalty_tier_tier_id_idx",
        "loyalty_tier",
        ["tier_id", "project_id", "customer_id", "campaign_id"],
    )


def downgrade() -> None:
    """Drop the indexes."""
    op.drop_index("segment_membership_segment_id_idx", "segment_membership")
    op.drop_index("loyalty_tier_tier_id_idx", "loyalty_tier")
