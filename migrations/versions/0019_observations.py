"""Stands in for the columns of observations."""

from __future__ import annotations

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Change nothing."""


def downgrade() -> None:
    """Change nothing."""
