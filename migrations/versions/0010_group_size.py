"""Creates group_size: the sizes of segments and tiers as sums of entries and exits by day.

The rows that are there were not counted. They are computed from the log, so they are dropped here,
and the projector folds the log anew when it runs next.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Key

# ruff: noqa: S608 - these statements are made of constants

revision = "0010"
down_revision = "0009"

_COUNTED = (
    "loyalty_tier",
    "loyalty_tier_history",
    "segment_membership",
    "segment_membership_history",
)


def upgrade() -> None:
    """Create the table; empty those whose rows it counts."""
    op.create_table(
        "group_size",
        sa.Column("projection", Key, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("campaign_id", Key, nullable=False),
        sa.Column("group_id", Key, nullable=False),
        sa.Column("names_hash", Key, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("names", sa.Text, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("exits", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint(
            "projection",
            "project_id",
            "campaign_id",
            "group_id",
            "names_hash",
            "day",
            name="group_size_pkey",
        ),
    )
    _empty()


def downgrade() -> None:
    """Drop the table; empty those whose rows it counted, for a program that knows none of it."""
    op.drop_table("group_size")
    _empty()


def _empty() -> None:
    for name in _COUNTED:
        op.execute(f"DELETE FROM {name}")
        op.execute(f"DELETE FROM dead_letter WHERE projection = '{name}'")
        op.execute(f"DELETE FROM checkpoint WHERE projection = '{name}'")
