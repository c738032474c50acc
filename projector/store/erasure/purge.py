"""Purges a database: erased bytes leave its files."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import update

from projector.errors import PurgeIncomplete
from projector.store.database import Database
from projector.store.tables import erasure


def purge(database: Database) -> datetime:
    """Truncate the write-ahead log of SQLite; return when. Raises PurgeIncomplete."""
    if database.is_sqlite:
        with database.connected() as connection:
            driver = connection.connection.driver_connection
            assert driver is not None  # noqa: S101 - the connection is open
            [busy, *_] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise PurgeIncomplete(url=database, reason="a reader needs the write-ahead log.")
    at = datetime.now(UTC)
    with database.writing() as connection:
        connection.execute(
            update(erasure).where(erasure.c.purged_at.is_(None)).values(purged_at=at)
        )
    return at
