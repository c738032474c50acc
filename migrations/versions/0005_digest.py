"""checkpoint.digest: of all rows of a projection, kept up to date with them.

Of the rows that are there no digest was kept. They are computed from the log, so they are dropped
here, and the projector folds the log anew when it runs next.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Key

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Begin anew, with a digest."""
    _begin_anew(sa.Column("digest", sa.Text, nullable=False))


def downgrade() -> None:
    """Begin anew, without one."""
    _begin_anew()


def _begin_anew(*more: sa.Column[str]) -> None:
    for table in ("customer", "segment_membership", "loyalty_tier", "dead_letter"):
        op.execute(sa.delete(sa.table(table)))
    op.drop_table("checkpoint")
    op.create_table(
        "checkpoint",
        sa.Column("projection", Key, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        *more,
        sa.PrimaryKeyConstraint("projection", name="checkpoint_pkey"),
    )
