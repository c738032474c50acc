"""Creates the event log: events, streams, and the head row; triggers keep it append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key, Long

revision = "0001"
down_revision = None

# ruff: noqa: S608 - no user input in these statements
_REFUSAL = "the event log is append-only"


def upgrade() -> None:
    """Create the tables, and the triggers that refuse to rewrite the log."""
    _create_tables()
    if op.get_bind().dialect.name == "sqlite":
        _protect_on_sqlite()
    else:
        _protect_on_postgres()


def downgrade() -> None:
    """Drop everything, the log included."""
    for table in ("log_head", "stream", "event"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION event_refuse_rewrite()")


def _create_tables() -> None:
    op.create_table(
        "event",
        sa.Column("position", Long, autoincrement=False, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("event_id", Key, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("stream_id", Long),
        sa.Column("occurred_at", Instant, nullable=False),
        sa.Column("received_at", Instant, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("position", name="event_pkey"),
        sa.UniqueConstraint("project_id", "event_id", name="event_project_id_event_id_key"),
    )
    op.create_index("event_stream_id_idx", "event", ["stream_id"])
    op.create_table(
        "stream",
        sa.Column("stream_id", Long, autoincrement=False, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("customer_id", Key, nullable=False),
        sa.Column("last_occurred_at", Instant, nullable=False),
        sa.Column("last_event_id", Key, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="stream_pkey"),
        sa.UniqueConstraint("customer_id", "project_id", name="stream_customer_id_project_id_key"),
    )
    log_head = op.create_table(
        "log_head",
        sa.Column("log_head_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("stream_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log_head_id", name="log_head_pkey"),
        sa.CheckConstraint("log_head_id = 1", name="log_head_one_row_check"),
    )
    op.bulk_insert(log_head, [{"log_head_id": 1, "position": 0, "stream_id": 0}])


def _protect_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER event_refuse_{verb.lower()} BEFORE {verb} ON event "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
    # INSERT OR REPLACE deletes the old row without firing the DELETE trigger above, so this trigger
    # refuses inserts that would replace a row. It also refuses every position but the next one.
    op.execute(
        "CREATE TRIGGER event_refuse_replace BEFORE INSERT ON event "
        "WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM event) "
        "OR EXISTS (SELECT 1 FROM event "
        "WHERE project_id = NEW.project_id AND event_id = NEW.event_id) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )


def _protect_on_postgres() -> None:
    op.execute(
        "CREATE FUNCTION event_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER event_refuse_rewrite BEFORE UPDATE OR DELETE OR TRUNCATE ON event "
        "FOR EACH STATEMENT EXECUTE FUNCTION event_refuse_rewrite()"
    )
    # ALWAYS: ordinary triggers do not fire if session_replication_role is replica.
    op.execute("ALTER TABLE event ENABLE ALWAYS TRIGGER event_refuse_rewrite")
