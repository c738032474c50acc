"""Creates activity: how far each customer's activity was read from Voucherify's API."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "activity",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("scope", Key, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("cursor", sa.Text),
        sa.Column("begun_at", Instant),
        sa.Column("newest_at", Instant),
        sa.Column("read_at", Instant),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("project_id", "customer_id", "scope", name="activity_pkey"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("activity")
