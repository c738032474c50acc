"""segment_membership_history: when a customer was in a segment, one row a period."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table; the projector fills it."""
    op.create_table(
        "segment_membership_history",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("segment_id", Key, nullable=False),
        sa.Column("period", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("segment_name", sa.Text),
        sa.Column("valid_from", Instant),
        sa.Column("valid_to", Instant),
        sa.Column("opened_by", Key),
        sa.Column("closed_by", Key),
        sa.PrimaryKeyConstraint(
            "project_id",
            "customer_id",
            "segment_id",
            "period",
            name="segment_membership_history_pkey",
        ),
        # A unique constraint and not an index: SQLite renames it with the table, as a swap needs.
        sa.UniqueConstraint(
            "segment_id",
            "project_id",
            "customer_id",
            "period",
            name="segment_membership_history_segment_id_key",
        ),
    )


def downgrade() -> None:
    """Drop the table, and forget how far it was."""
    op.drop_table("segment_membership_history")
    op.execute("DELETE FROM checkpoint WHERE projection = 'segment_membership_history'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'segment_membership_history'")
