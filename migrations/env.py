"""Runs migrations: over a connection that the program opened, or for `alembic` on the shell."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from projector.store import schema


def migrate(connection: Connection) -> None:
    """Run what was asked for, all of it in the transaction of the connection."""
    context.configure(
        connection=connection,
        target_metadata=schema.migrated_metadata(),
        # SQLite's DDL is transactional when the driver does not commit behind our back.
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    migrate(connection)
else:
    with schema.database_of_the_shell().writing() as connection:
        migrate(connection)
