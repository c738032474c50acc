"""Adds to customer the names and e-mails as they are searched, each with an index.

Those of the rows that are there are not known. They are computed from the log, so the rows are
dropped here, and the projector folds the log anew when it runs next.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Key

revision = "0015"
down_revision = "0014"

_COLUMNS = ("search_name", "search_email")


def upgrade() -> None:
    """Empty the table; add the columns and their indexes."""
    _empty()
    with op.batch_alter_table("customer") as table:
        for name in _COLUMNS:
            table.add_column(sa.Column(name, Key))
            # A unique constraint, not an index: SQLite renames its index with the table in a swap.
            table.create_unique_constraint(
                f"customer_{name}_key", [name, "project_id", "customer_id"]
            )


def downgrade() -> None:
    """Drop the columns; empty the table for a program that knows none of them."""
    _empty()
    with op.batch_alter_table("customer") as table:
        for name in _COLUMNS:
            table.drop_constraint(f"customer_{name}_key", type_="unique")
            table.drop_column(name)


def _empty() -> None:
    op.execute("DELETE FROM customer")
    op.execute("DELETE FROM dead_letter WHERE projection = 'customer'")
    op.execute("DELETE FROM checkpoint WHERE projection = 'customer'")
