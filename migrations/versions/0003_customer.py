"""Creates customer: ids, name and contact data; one row for each customer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table, empty: the next run folds the log into it."""
    op.create_table(
        "customer",
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("source_id", Key),
        sa.Column("name", sa.Text),
        sa.Column("email", sa.Text),
        sa.Column("metadata", sa.Text),
        sa.Column("created_at", Instant),
        sa.Column("deleted_at", Instant),
        sa.Column("first_event_at", Instant, nullable=False),
        sa.Column("last_event_at", Instant, nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.Column("changed_by", Key, nullable=False),
        sa.PrimaryKeyConstraint("project_id", "customer_id", name="customer_pkey"),
        # A unique constraint, not an index: SQLite renames its index with the table in a swap.
        sa.UniqueConstraint(
            "source_id", "project_id", "customer_id", name="customer_source_id_key"
        ),
    )


def downgrade() -> None:
    """Drop the table, its checkpoint and its dead letters."""
    op.drop_table("customer")
    op.execute("DELETE FROM checkpoint WHERE projection = 'customer'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'customer'")
