"""What became of a quarantined delivery that a retry could file."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the columns, and find entries by event and open ones by reason."""
    op.add_column("quarantine", sa.Column("resolved_at", Instant))
    op.add_column("quarantine", sa.Column("resolved_position", sa.BigInteger))
    op.drop_index("quarantine_reason_idx", "quarantine")
    op.create_index("quarantine_reason_idx", "quarantine", ["reason", "resolved_at"])
    op.create_index("quarantine_event_id_idx", "quarantine", ["event_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("quarantine_event_id_idx", "quarantine")
    op.drop_index("quarantine_reason_idx", "quarantine")
    op.create_index("quarantine_reason_idx", "quarantine", ["reason"])
    op.drop_column("quarantine", "resolved_position")
    op.drop_column("quarantine", "resolved_at")
