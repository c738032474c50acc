"""Creates dead_letter_reason: the numbers of dead letters by reason, which triggers keep."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from projector.store.types import Key

# ruff: noqa: S608 - these statements are made of constants

revision = "0009"
down_revision = "0008"

#: The most characters of a reason in the key: on Postgres an entry of an index has 2,700 bytes at
#: the most, and a character four.
_CHARACTERS_MAX = 500

_COUNT = (
    "INSERT INTO dead_letter_reason (projection, reason, count)"
    f" SELECT projection, substr(reason, 1, {_CHARACTERS_MAX}), count(*) FROM %s"
    " GROUP BY 1, 2"
)

_ON_SQLITE = {
    "insert": ("INSERT", "{add}"),
    "delete": ("DELETE", "{subtract}"),
    "update": ("UPDATE OF projection, reason", "{subtract} {add}"),
}

#: For each row. Without WHERE, SQLite would parse ON as the condition of a join.
_ADD_ON_SQLITE = (
    "INSERT INTO dead_letter_reason (projection, reason, count)"
    f" SELECT new.projection, substr(new.reason, 1, {_CHARACTERS_MAX}), 1 WHERE true"
    " ON CONFLICT (projection, reason) DO UPDATE SET count = dead_letter_reason.count + 1;"
)
_OF_OLD = f"projection = old.projection AND reason = substr(old.reason, 1, {_CHARACTERS_MAX})"
_SUBTRACT_ON_SQLITE = (
    f"UPDATE dead_letter_reason SET count = count - 1 WHERE {_OF_OLD};"
    f" DELETE FROM dead_letter_reason WHERE {_OF_OLD} AND count = 0;"
)

#: For each statement, whatever the number of its rows.
_ADD_ON_POSTGRES = (
    _COUNT % "added" + " ON CONFLICT (projection, reason)"
    " DO UPDATE SET count = dead_letter_reason.count + excluded.count;"
)
_SUBTRACT_ON_POSTGRES = (
    "UPDATE dead_letter_reason SET count = dead_letter_reason.count - gone.count FROM ("
    f"SELECT projection, substr(reason, 1, {_CHARACTERS_MAX}) AS reason, count(*) AS count"
    " FROM removed GROUP BY 1, 2) AS gone WHERE dead_letter_reason.projection = gone.projection"
    " AND dead_letter_reason.reason = gone.reason;"
    " DELETE FROM dead_letter_reason USING removed"
    " WHERE dead_letter_reason.projection = removed.projection"
    f" AND dead_letter_reason.reason = substr(removed.reason, 1, {_CHARACTERS_MAX})"
    " AND dead_letter_reason.count = 0;"
)
_ON_POSTGRES = {
    "insert": ("NEW TABLE AS added", _ADD_ON_POSTGRES),
    "delete": ("OLD TABLE AS removed", _SUBTRACT_ON_POSTGRES),
    "update": (
        "OLD TABLE AS removed NEW TABLE AS added",
        f"{_SUBTRACT_ON_POSTGRES} {_ADD_ON_POSTGRES}",
    ),
}


def upgrade() -> None:
    """Create the table and the triggers; count the dead letters that are there."""
    op.create_table(
        "dead_letter_reason",
        sa.Column("projection", Key, nullable=False),
        sa.Column("reason", Key, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("projection", "reason", name="dead_letter_reason_pkey"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for name, (when, body) in _ON_SQLITE.items():
            body = body.format(add=_ADD_ON_SQLITE, subtract=_SUBTRACT_ON_SQLITE)
            op.execute(
                f"CREATE TRIGGER dead_letter_count_{name} AFTER {when} ON dead_letter"
                f" BEGIN {body} END"
            )
    else:
        for name, (tables, body) in _ON_POSTGRES.items():
            function = f"dead_letter_count_{name}"
            op.execute(
                f"CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$"
                f" BEGIN {body} RETURN NULL; END $$"
            )
            op.execute(
                f"CREATE TRIGGER {function} AFTER {name} ON dead_letter REFERENCING {tables}"
                f" FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
            )
            # ALWAYS: ordinary triggers do not fire if session_replication_role is replica.
            op.execute(f"ALTER TABLE dead_letter ENABLE ALWAYS TRIGGER {function}")
    op.execute(_COUNT % "dead_letter")


def downgrade() -> None:
    """Drop the triggers and the table."""
    for name in _ON_SQLITE:
        if op.get_bind().dialect.name == "sqlite":
            op.execute(f"DROP TRIGGER dead_letter_count_{name}")
        else:
            op.execute(f"DROP TRIGGER dead_letter_count_{name} ON dead_letter")
            op.execute(f"DROP FUNCTION dead_letter_count_{name}()")
    op.drop_table("dead_letter_reason")
