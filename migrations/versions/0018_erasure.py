"""Creates the tables of erasures, and a door in the triggers of event and leaf.

While an erasure is open, an event may become one exact marker, and its salt may be destroyed.
Nothing else of the log may change, and nothing at all while none is open.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Instant, Key, Long

revision = "0018"
down_revision = "0017"

# ruff: noqa: S608 - no user input in these statements
_EVENT_REFUSAL = "the event log is append-only"
_LEAF_REFUSAL = "the seal of the event log is append-only"
_ERASURE_REFUSAL = "erasures are append-only"

#: The erasure that is open; NULL if none is, so conditions with it must be IS TRUE or IS NOT TRUE.
_OPEN = "(SELECT erasure_id FROM erasure WHERE position IS NULL)"

#: What an event may become, and which: no marker once more, and no event that tells of an erasure.
_IS_MARKER = (
    "OLD.source NOT IN ('erased', 'projector')"
    " AND NEW.position = OLD.position"
    " AND NEW.project_id = OLD.project_id"
    " AND NEW.received_at = OLD.received_at"
    " AND NEW.event_id = 'erased:' || OLD.position"
    " AND NEW.type = 'erased'"
    " AND NEW.stream_id IS NULL"
    " AND NEW.late = false"
    " AND NEW.source = 'erased'"
    " AND NEW.occurred_at = OLD.received_at"
    f""" AND NEW.body = '{{"erased":' || {_OPEN} || '}}'"""
)

#: Only the salt of an event that is a marker by now may be destroyed.
_IS_WITHOUT_SALT = (
    f"{_OPEN} IS NOT NULL"
    " AND NEW.position = OLD.position"
    " AND NEW.commitment = OLD.commitment"
    " AND NEW.salt IS NULL"
    " AND EXISTS (SELECT 1 FROM event WHERE position = OLD.position AND source = 'erased')"
)

#: An erasure is closed once, with the position of its event; later only its purge is recorded.
_IS_PROGRESS = (
    "NEW.erasure_id = OLD.erasure_id"
    " AND NEW.project_id = OLD.project_id"
    " AND NEW.erased_at = OLD.erased_at"
    " AND (OLD.position IS NULL OR NEW.position = OLD.position)"
)

_RULES = (
    ("event", _EVENT_REFUSAL, _IS_MARKER),
    ("leaf", _LEAF_REFUSAL, _IS_WITHOUT_SALT),
    ("erasure", _ERASURE_REFUSAL, _IS_PROGRESS),
)

#: Columns with texts of deliveries, which the planner's statistics of Postgres need not have: they
#: outlive the rows. No index has one of these columns.
_UNSAMPLED = {
    "activity": ("cursor", "problem"),
    "customer": ("name", "email", "metadata"),
    "dead_letter": ("reason",),
    "event": ("body",),
    "group_size": ("names",),
    "job": ("arguments", "problem", "result"),
    "loyalty_tier": ("campaign_name", "tier_name"),
    "loyalty_tier_history": ("campaign_name", "tier_name"),
    "quarantine": ("body", "default_customer_id", "detail"),
    "segment_membership": ("segment_name",),
    "segment_membership_history": ("segment_name",),
    "snapshot": ("state",),
}


def upgrade() -> None:
    """Create the tables and the door."""
    _create_tables()
    if op.get_bind().dialect.name != "sqlite":
        _set_statistics(0)
    # Few events have these sources. Those of all erased events are read by `verify`.
    op.create_index(
        "event_erased_idx",
        "event",
        ["position"],
        sqlite_where=sa.text("source IN ('erased', 'projector')"),
        postgresql_where=sa.text("source IN ('erased', 'projector')"),
    )
    for name, refusal, rule in _RULES:
        if op.get_bind().dialect.name == "sqlite":
            _guard_on_sqlite(name, refusal, rule)
        else:
            _guard_on_postgres(name, refusal, rule)


def downgrade() -> None:
    """Shut the door; drop the tables. Markers stay."""
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for name, refusal, _ in _RULES[:2]:
        if is_sqlite:
            op.execute(f"DROP TRIGGER {name}_refuse_update")
            op.execute(
                f"CREATE TRIGGER {name}_refuse_update BEFORE UPDATE ON {name} "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        else:
            op.execute(f"DROP TRIGGER {name}_refuse_change ON {name}")
            op.execute(f"DROP FUNCTION {name}_refuse_change()")
            op.execute(f"DROP TRIGGER {name}_refuse_rewrite ON {name}")
            _refuse_on_postgres(name, "UPDATE OR DELETE OR TRUNCATE")
    op.drop_index("event_erased_idx", "event")
    for name in ("archive_key", "secret", "suppressed", "erased_stream", "erasure"):
        op.drop_table(name)
    if not is_sqlite:
        # The default.
        _set_statistics(-1)
        op.execute("DROP FUNCTION erasure_refuse_change()")
        op.execute("DROP FUNCTION erasure_refuse_rewrite()")


def _set_statistics(target: int) -> None:
    for table, columns in _UNSAMPLED.items():
        actions = (f"ALTER COLUMN {column} SET STATISTICS {target}" for column in columns)
        op.execute(f"ALTER TABLE {table} {', '.join(actions)}")


def _create_tables() -> None:
    op.create_table(
        "erasure",
        sa.Column("erasure_id", Long, autoincrement=False, nullable=False),
        sa.Column("project_id", Key, nullable=False),
        sa.Column("erased_at", Instant, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("customers", sa.BigInteger, nullable=False),
        sa.Column("events", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("quarantined", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.Column("purged_at", Instant),
        sa.PrimaryKeyConstraint("erasure_id", name="erasure_pkey"),
    )
    op.create_table(
        "erased_stream",
        sa.Column("stream_id", Long, autoincrement=False, nullable=False),
        sa.Column("erasure_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("stream_id", name="erased_stream_pkey"),
    )
    op.create_table(
        "suppressed",
        sa.Column("digest", Key, nullable=False),
        sa.Column("erasure_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="suppressed_pkey"),
    )
    op.create_table(
        "secret",
        sa.Column("name", Key, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="secret_pkey"),
    )
    op.create_table(
        "archive_key",
        sa.Column("first_position", Long, autoincrement=False, nullable=False),
        sa.Column("last_position", sa.BigInteger, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("first_position", name="archive_key_pkey"),
    )


def _guard_on_sqlite(name: str, refusal: str, rule: str) -> None:
    if name == "erasure":
        op.execute(
            f"CREATE TRIGGER {name}_refuse_delete BEFORE DELETE ON {name} "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
        # Against INSERT OR REPLACE, as in 0001.
        op.execute(
            f"CREATE TRIGGER {name}_refuse_replace BEFORE INSERT ON {name} "
            "WHEN NEW.erasure_id IS NOT (SELECT coalesce(max(erasure_id), 0) + 1 FROM erasure) "
            f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
        )
    else:
        op.execute(f"DROP TRIGGER {name}_refuse_update")
    op.execute(
        f"CREATE TRIGGER {name}_refuse_update BEFORE UPDATE ON {name} "
        f"WHEN ({rule}) IS NOT TRUE "
        f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
    )


def _guard_on_postgres(name: str, refusal: str, rule: str) -> None:
    if name == "erasure":
        op.execute(
            f"CREATE FUNCTION {name}_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
        )
    else:
        op.execute(f"DROP TRIGGER {name}_refuse_rewrite ON {name}")
    _refuse_on_postgres(name, "DELETE OR TRUNCATE")
    op.execute(
        f"CREATE FUNCTION {name}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN IF ({rule}) IS TRUE THEN RETURN NEW; END IF; "
        f"RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name}_refuse_change BEFORE UPDATE ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {name}_refuse_change()"
    )
    op.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_change")


def _refuse_on_postgres(name: str, verbs: str) -> None:
    op.execute(
        f"CREATE TRIGGER {name}_refuse_rewrite BEFORE {verbs} ON {name} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse_rewrite()"
    )
    # ALWAYS: ordinary triggers do not fire if session_replication_role is replica.
    op.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {name}_refuse_rewrite")
