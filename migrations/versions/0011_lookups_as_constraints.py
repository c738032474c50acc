"""What people look rows up by is a unique constraint, and no longer an index.

A rebuild puts another table in the place of the live one. SQLite renames a table's constraints with
the table, and it has no way to rename an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
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
        with _kept(table, f"{name}_idx"), op.batch_alter_table(table) as batch:
            batch.drop_index(f"{name}_idx")
            batch.create_unique_constraint(f"{name}_key", [*columns, *more])


def downgrade() -> None:
    """Indexes again."""
    for table, (columns, _) in _LOOKUPS.items():
        name = f"{table}_{columns[0]}"
        with _kept(table, f"{name}_idx"), op.batch_alter_table(table) as batch:
            batch.drop_constraint(f"{name}_key", type_="unique")
            batch.create_index(f"{name}_idx", columns)


@contextmanager
def _kept(table: str, ours: str) -> Iterator[None]:
    """Keep what users hung on a table, which SQLite can only change by making another one.

    Triggers and indexes would go with the old table, and a view would be an error while the new one
    has not yet its name.
    """
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        yield
        return
    users = sa.text(
        "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger')"
        " AND tbl_name = :table AND name <> :ours AND sql IS NOT NULL"
    )
    found = connection.execute(users, {"table": table, "ours": ours}).all()
    for kind, name, _ in found:
        quoted = name.replace('"', '""')
        connection.exec_driver_sql(f'DROP {kind} "{quoted}"')
    connection.exec_driver_sql("PRAGMA legacy_alter_table = ON")
    try:
        yield
    finally:
        connection.exec_driver_sql("PRAGMA legacy_alter_table = OFF")
    for _, _, written in found:
        connection.exec_driver_sql(written)
