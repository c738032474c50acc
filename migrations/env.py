"""Runs migrations: on a connection that the program opened, or for the `alembic` command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from projector.store import schema


def migrate(connection: Connection) -> None:
    """Run the requested migrations, all in the one transaction of the connection."""
    context.configure(
        connection=connection,
        target_metadata=schema.migrated_metadata(),
        # DDL is transactional on SQLite too, as long as the driver does not commit implicitly.
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
