"""Entries of the quarantine are numbered under the lock of the head, as events are.

A sequence of Postgres can go back: in a copy of a database that crashes, or where a standby takes
over. SQLite has none.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"

_SEQUENCE = "quarantine_quarantine_id_seq"


def upgrade() -> None:
    """Take the default away, and the sequence with it."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute("ALTER TABLE quarantine ALTER COLUMN quarantine_id DROP DEFAULT")
        op.execute(f"DROP SEQUENCE {_SEQUENCE}")


def downgrade() -> None:
    """Go on where the numbers end."""
    if op.get_bind().dialect.name != "sqlite":
        op.execute(f"CREATE SEQUENCE {_SEQUENCE} OWNED BY quarantine.quarantine_id")
        op.execute(
            f"SELECT setval('{_SEQUENCE}', coalesce(max(quarantine_id), 0) + 1, false)"  # noqa: S608 - a constant
            " FROM quarantine"
        )
        op.execute(
            "ALTER TABLE quarantine ALTER COLUMN quarantine_id"
            f" SET DEFAULT nextval('{_SEQUENCE}'::regclass)"
        )
