"""Creates job: the rebuilds, verifications and retries that were asked for over HTTP."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Long

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "job",
        sa.Column("job_id", Long, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("began_at", Instant),
        sa.Column("ended_at", Instant),
        sa.Column("phase", sa.Text),
        sa.Column("phase_began_at", Instant),
        sa.Column("done", sa.BigInteger),
        sa.Column("total", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("result", sa.Text),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("job_id", name="job_pkey"),
    )
    unended = sa.text("ended_at IS NULL")
    op.create_index(
        "job_unended_idx", "job", ["job_id"], sqlite_where=unended, postgresql_where=unended
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("job")
