"""Creates feed_hour: the deliveries of each feed by the hour in which they arrived."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "feed_hour",
        sa.Column("hour", Instant, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("sender", Key, nullable=False),
        sa.Column("type", Key, nullable=False),
        sa.Column("channel", Key, nullable=False),
        sa.Column("outcome", Key, nullable=False),
        sa.Column("deliveries", sa.BigInteger, nullable=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in (
                "late_10s",
                "late_90s",
                "late_1h",
                "late_6h",
                "late_1d",
                "late_3d",
                "late_more",
                "early",
            )
        ),
        sa.Column("last_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint(
            "hour", "project_id", "sender", "type", "channel", "outcome", name="feed_hour_pkey"
        ),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("feed_hour")
