"""Adds to memberships and tiers, their histories and customer what a look at the source said.

The folds mean more than before, so the rows are dropped here, and the projector folds the log anew
when it runs next.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant

revision = "0019"
down_revision = "0018"

# ruff: noqa: S608 - no user input in these statements


#: The tables with several unique constraints: the first columns of these, and the rest of each.
_KEYS = {
    "customer": (("source_id", "search_name", "search_email"), ("project_id", "customer_id")),
    "loyalty_tier": (("tier_id", "expires_on"), ("project_id", "customer_id", "campaign_id")),
}


def _columns() -> dict[str, list[sa.Column[object]]]:
    """Return the new columns of each table; new objects, because a table takes them for itself."""
    return {
        "customer": [sa.Column("checked_at", Instant)],
        "loyalty_tier": _observed(),
        "loyalty_tier_history": [sa.Column("seen_at", Instant)],
        "segment_membership": _observed(),
        "segment_membership_history": [
            sa.Column("entered_at", Instant),
            sa.Column("left_at", Instant),
        ],
    }


def _observed() -> list[sa.Column[object]]:
    return [
        sa.Column("observed_at", Instant),
        sa.Column("settled", sa.BigInteger, nullable=False),
        sa.Column("seen_at", Instant),
        sa.Column("silent", sa.Boolean, nullable=False),
    ]


def _recreate() -> Literal["always", "auto"]:
    """Return how SQLite gets new columns: in a new table, written as a rebuild writes it."""
    return "always" if op.get_bind().dialect.name == "sqlite" else "auto"


def upgrade() -> None:
    """Empty the tables; add the columns, and let a customer have no event."""
    for name, columns in _columns().items():
        _empty(name)
        with op.batch_alter_table(name, recreate=_recreate()) as table:
            for column in columns:
                table.add_column(column)
            if name == "customer":
                table.alter_column("first_event_at", existing_type=Instant(), nullable=True)
                table.alter_column("last_event_at", existing_type=Instant(), nullable=True)
            # In the order of a rebuild, which a copy of the table does not keep.
            firsts, key = _KEYS.get(name, ((), ()))
            for each in firsts:
                table.drop_constraint(f"{name}_{each}_key", type_="unique")
            for each in firsts:
                table.create_unique_constraint(f"{name}_{each}_key", [each, *key])


def downgrade() -> None:
    """Drop the columns; empty the tables for a program that knows none of them."""
    for name, columns in _columns().items():
        _empty(name)
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.drop_column(column.name)
            if name == "customer":
                table.alter_column("first_event_at", existing_type=Instant(), nullable=False)
                table.alter_column("last_event_at", existing_type=Instant(), nullable=False)


def _empty(name: str) -> None:
    op.execute(f"DELETE FROM {name}")
    for table in ("dead_letter", "checkpoint", "group_size", "snapshot"):
        op.execute(f"DELETE FROM {table} WHERE projection = '{name}'")
