"""lease: which of several processes does a job that one of them is enough for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Key

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "lease",
        sa.Column("job", Key, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("beats", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("job", name="lease_pkey"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("lease")
