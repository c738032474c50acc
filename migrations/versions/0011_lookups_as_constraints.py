"""What people look rows up by is a unique constraint, and no longer an index.

A rebuild puts another table in the place of the live one. SQLite renames a table's constraints with
the table, and it has no way to rename an index.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

#: By table: the columns of its index, and those of the primary key that make them unique.
_LOOKUPS = {
    "customer": (["source_id"], ["project_id", "customer_id"]),
    "segment_membership": (["segment_id", "is_member", "project_id", "customer_id"], []),
    "loyalty_tier": (["tier_id", "project_id", "customer_id", "campaign_id"], []),
    "segment_membership_history": (["segment_id", "project_id", "customer_id"], ["stint"]),
    "loyalty_tier_history": (["tier_id", "project_id", "customer_id", "campaign_id"], ["stint"]),
}


def upgrade() -> None:
    """Constraints in the place of indexes; the rows stay."""
    for table, (columns, more) in _LOOKUPS.items():
        name = f"{table}_{columns[0]}"
        with op.batch_alter_table(table) as batch:
            batch.drop_index(f"{name}_idx")
            batch.create_unique_constraint(f"{name}_key", [*columns, *more])


def downgrade() -> None:
    """Indexes again."""
    for table, (columns, _) in _LOOKUPS.items():
        name = f"{table}_{columns[0]}"
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"{name}_key", type_="unique")
            batch.create_index(f"{name}_idx", columns)
