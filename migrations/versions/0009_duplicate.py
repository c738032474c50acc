"""duplicate: how often an event was delivered again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Long

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "duplicate",
        sa.Column("position", Long, autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_received_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("position", name="duplicate_pkey"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("duplicate")
