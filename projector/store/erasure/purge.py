"""Purges a database: erased bytes leave its files, as far as this program can reach them.

A committed erasure is beyond the reach of every query, but not of a look at the files: a
write-ahead log and free space have its bytes as they were. See `purge_sqlite`, `purge_postgres`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from attrs import frozen
from sqlalchemy import Connection, select, update

from projector.errors import (
    DatabaseBusy,
    DatabaseUnreachable,
    ProjectorError,
    PurgeIncomplete,
    RightsMissing,
)
from projector.store.database import Database
from projector.store.erasure import purge_postgres, purge_sqlite
from projector.store.erasure.cleaning import OnProgress, Part
from projector.store.tables import erasure


@frozen(kw_only=True)
class PurgeReport:
    """The result of a purge."""

    purged_at: datetime
    #: The erasures whose bytes were in the files until now.
    erasures: tuple[int, ...]
    #: Whether the file, or the tables on Postgres, were written anew.
    full: bool
    #: The bytes that were overwritten, or written anew.
    cleaned_bytes: int
    #: What this program cannot do, as sentences.
    left: tuple[str, ...]


def purge(database: Database) -> datetime:
    """Purge the database, online; return when that was done. Raises PurgeIncomplete."""
    return purge_files(database).purged_at


def purge_files(
    database: Database,
    *,
    full: bool = False,
    is_stopped: Callable[[], bool] = lambda: False,
    on_progress: OnProgress = lambda _phase, _done, _total: None,
) -> PurgeReport:
    """Purge the database, and record it with every erasure that was not purged before.

    `full` writes the file anew, or on Postgres each table under an exclusive lock; a small file is
    written anew anyway. On SQLite it ends early once `is_stopped`. Raises PurgeIncomplete.
    """
    with _explaining(database):
        with database.reading() as connection:
            # Not those that are committed while this runs: their bytes may be missed.
            erasures = unpurged(connection)
        if database.is_sqlite:
            done = purge_sqlite.clean(
                database, full=full, is_stopped=is_stopped, on_progress=on_progress
            )
        else:
            done = purge_postgres.clean(database, full=full, on_progress=on_progress)
        purged_at = datetime.now(UTC)
        with database.writing() as connection:
            _mark(connection, erasures, purged_at)
    return PurgeReport(
        purged_at=purged_at,
        erasures=tuple(erasures),
        full=done.is_full,
        cleaned_bytes=done.bytes,
        left=done.left,
    )


def parts(database: Database) -> list[Part]:
    """Return what a full purge writes anew, with its size."""
    if database.is_sqlite:
        return purge_sqlite.parts(database)
    return purge_postgres.parts(database)


def unpurged(connection: Connection) -> list[int]:
    """Return the erasures whose bytes may still be in the files."""
    statement = select(erasure.c.erasure_id).where(erasure.c.purged_at.is_(None))
    return sorted(connection.execute(statement).scalars())


def _mark(connection: Connection, erasures: Sequence[int], purged_at: datetime) -> None:
    is_purged = erasure.c.erasure_id.in_(erasures) & erasure.c.purged_at.is_(None)
    connection.execute(update(erasure).where(is_purged).values(purged_at=purged_at))


@contextmanager
def _explaining(database: Database) -> Iterator[None]:
    """Raise PurgeIncomplete for an error of the database, such as a full disk."""
    try:
        yield
    except PurgeIncomplete:
        raise
    except (DatabaseBusy, DatabaseUnreachable, RightsMissing) as error:
        raise _incomplete(database, error) from error


def _incomplete(database: Database, error: ProjectorError) -> PurgeIncomplete:
    return PurgeIncomplete(url=database, reason=" ".join(str(error).split()))
