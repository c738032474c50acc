"""customer: who the customer is, one row a customer."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the table; the projector fills it."""
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
        # A unique constraint and not an index: SQLite renames it with the table, as a swap needs.
        sa.UniqueConstraint(
            "source_id", "project_id", "customer_id", name="customer_source_id_key"
        ),
    )


def downgrade() -> None:
    """Drop the table, and forget how far it was."""
    op.drop_table("customer")
    op.execute("DELETE FROM checkpoint WHERE projection = 'customer'")
    op.execute("DELETE FROM dead_letter WHERE projection = 'customer'")
