"""segment_membership_history: from when to when a customer was in a segment, one row a stint."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "segment_membership_history",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("segment_id", Key, nullable=False),
        sa.Column("stint", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("segment_name", sa.Text),
        sa.Column("valid_from", Instant),
        sa.Column("valid_to", Instant),
        sa.Column("opened_by", Key),
        sa.Column("closed_by", Key),
        sa.PrimaryKeyConstraint(
            "project_id",
            "customer_id",
            "segment_id",
            "stint",
            name="segment_membership_history_pkey",
        ),
    )
    op.create_index(
        "segment_membership_history_segment_id_idx",
        "segment_membership_history",
        ["segment_id", "project_id", "customer_id"],
    )


def downgrade() -> None:
    """Drop the table; the projector fills it again."""
    op.drop_table("segment_membership_history")
    # A dead letter that stayed would be in the way of itself.
    for table in ("checkpoint", "dead_letter"):
        op.execute(
            sa.delete(sa.table(table, sa.column("projection"))).where(
                sa.column("projection") == "segment_membership_history"
            )
        )
