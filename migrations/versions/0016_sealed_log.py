"""Creates leaf and subtree, the seal of the log; triggers keep leaf append-only."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Long

revision = "0016"
down_revision = "0015"

# ruff: noqa: S608 - no user input in these statements
_REFUSAL = "the seal of the event log is append-only"


def upgrade() -> None:
    """Create the tables, and the triggers that refuse to rewrite the seal."""
    op.create_table(
        "leaf",
        sa.Column("position", Long, autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary),
        sa.Column("commitment", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("position", name="leaf_pkey"),
    )
    op.create_table(
        "subtree",
        sa.Column("level", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name="subtree_pkey"),
    )
    if op.get_bind().dialect.name == "sqlite":
        _protect_on_sqlite()
    else:
        _protect_on_postgres()


def downgrade() -> None:
    """Drop the seal."""
    op.drop_table("subtree")
    op.drop_table("leaf")
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION leaf_refuse_rewrite()")


def _protect_on_sqlite() -> None:
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER leaf_refuse_{verb.lower()} BEFORE {verb} ON leaf "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )
    # Against INSERT OR REPLACE, as in 0001. It also refuses every position but the next one.
    op.execute(
        "CREATE TRIGGER leaf_refuse_replace BEFORE INSERT ON leaf "
        "WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM leaf) "
        f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
    )


def _protect_on_postgres() -> None:
    op.execute(
        "CREATE FUNCTION leaf_refuse_rewrite() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER leaf_refuse_rewrite BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf "
        "FOR EACH STATEMENT EXECUTE FUNCTION leaf_refuse_rewrite()"
    )
    # ALWAYS: ordinary triggers do not fire if session_replication_role is replica.
    op.execute("ALTER TABLE leaf ENABLE ALWAYS TRIGGER leaf_refuse_rewrite")
