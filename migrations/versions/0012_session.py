"""Creates session: who is signed in to the console, by the digest of a cookie."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "session",
        sa.Column("digest", Key, nullable=False),
        sa.Column("token_id", Key, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("seen_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="session_pkey"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("session")
