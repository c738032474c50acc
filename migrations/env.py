"""Runs migrations: on a connection that the program opened, or for the `alembic` command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from projector.store import ownership, schema
from projector.store.tables import ONLY_ON, VERSION_TABLE


def migrate(connection: Connection) -> None:
    """Run the requested migrations, all in the one transaction of the connection.

    Raises an error instead if the tables that are there are not the program's own.
    """
    ownership.check(connection)
    context.configure(
        connection=connection,
        target_metadata=schema.migrated_metadata(),
        version_table=VERSION_TABLE,
        # DDL is transactional on SQLite too, as long as the driver does not commit implicitly.
        transactional_ddl=True,
        compare_type=True,
        include_object=lambda each, *_: each.info.get(ONLY_ON) in (None, connection.dialect.name),
    )
    with context.begin_transaction():
        context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    migrate(connection)
else:
    database = schema.database_of_the_shell()
    with database.creating(), database.writing() as connection:
        migrate(connection)
