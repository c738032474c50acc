"""Creates reconciliation: the comparisons of the tables with Voucherify."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "reconciliation",
        sa.Column("run_id", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("begun_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("compared", sa.BigInteger, nullable=False),
        sa.Column("differing", sa.BigInteger, nullable=False),
        sa.Column("repaired", sa.BigInteger, nullable=False),
        sa.Column("remaining", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("stopped", sa.Text),
        sa.PrimaryKeyConstraint("run_id", name="reconciliation_pkey"),
    )
    op.create_index("reconciliation_ended_idx", "reconciliation", ["project_id", "ended_at"])


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("reconciliation")
