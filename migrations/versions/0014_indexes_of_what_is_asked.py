"""Indexes for what is asked of dead letters and of the quarantine, each in its order.

Dead letters are asked for by projection and stream; an index on the stream alone SQLite passed by,
and went through all letters of a projection. Of the quarantine those that wait are asked for, page
by page, and counted, however many there are that do not wait any more.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_WAITING = sa.text("resolved_at IS NULL")


def upgrade() -> None:
    """Put new indexes in the place of the old ones."""
    op.create_index(
        "dead_letter_stream_idx", "dead_letter", ["projection", "stream_id", "position"]
    )
    op.drop_index("dead_letter_stream_id_idx", "dead_letter")
    op.drop_index("quarantine_reason_idx", "quarantine")
    op.create_index("quarantine_reason_idx", "quarantine", ["reason", "quarantine_id"])
    _index_waiting("quarantine_waiting_idx", "quarantine_id")
    _index_waiting("quarantine_waiting_reason_idx", "reason", "quarantine_id", "resolved_at")


def downgrade() -> None:
    """Put the old indexes back."""
    op.drop_index("quarantine_waiting_reason_idx", "quarantine")
    op.drop_index("quarantine_waiting_idx", "quarantine")
    op.drop_index("quarantine_reason_idx", "quarantine")
    op.create_index("quarantine_reason_idx", "quarantine", ["reason", "resolved_at"])
    op.create_index("dead_letter_stream_id_idx", "dead_letter", ["stream_id"])
    op.drop_index("dead_letter_stream_idx", "dead_letter")


def _index_waiting(name: str, *columns: str) -> None:
    op.create_index(name, "quarantine", columns, sqlite_where=_WAITING, postgresql_where=_WAITING)
