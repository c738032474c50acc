"""Copies a SQLite database while it is used, by SQLite's online backup API."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen
from sqlalchemy import Connection

from projector.errors import BackupExists, BackupUnsupported, OutputUnwritable
from projector.store import log, schema
from projector.store.database import Database

#: The number of pages that are copied in one step; 8 MiB.
STEP_PAGES = 1024

#: The primary result codes of SQLite for a source that is damaged, in place of a bad destination.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@frozen(kw_only=True)
class BackupReport:
    """The result of a backup."""

    path: str
    bytes: int
    #: The head of the log: the copy has the events up to this position.
    head: int
    seconds: float


def require_sqlite(database: Database) -> None:
    """Raise BackupUnsupported for Postgres."""
    if not database.is_sqlite:
        raise BackupUnsupported(url=database)


def back_up(
    database: Database,
    path: str,
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> BackupReport:
    """Copy a SQLite database into a new file, as it is in one snapshot; writers are not blocked.

    The copy gets its name when it is complete and durable: a backup that is killed leaves nothing
    by that name. Raises BackupUnsupported, BackupExists or OutputUnwritable, or an error of
    `schema.revision`; a database of an older schema is copied, too.
    """
    require_sqlite(database)
    target = Path(path)
    # Checked again when the copy gets its name; here to spare the work.
    if os.path.lexists(target):
        raise BackupExists(path=path)
    begin = time.monotonic()
    # The transaction keeps the snapshot: otherwise each write of another process would make the
    # copy begin again.
    with database.reading() as connection:
        schema.require_tables(database, connection)
        head = log.head(connection)
        with _writing(path), _temporary(target) as temporary:
            _copy(connection, temporary, on_progress)
            _sync(temporary)
            size = temporary.stat().st_size
            _give_name(temporary, target)
    return BackupReport(
        path=path, bytes=size, head=head, seconds=round(time.monotonic() - begin, 3)
    )


def _copy(connection: Connection, path: Path, on_progress: Callable[[int, int], None]) -> None:
    source: Any = connection.connection.driver_connection
    [page_bytes] = source.execute("PRAGMA page_size").fetchone()

    def report(_status: int, remaining: int, total: int) -> None:
        on_progress((total - remaining) * page_bytes, total * page_bytes)

    with closing(sqlite3.connect(path)) as target:
        # No journal and no fsync: a copy that is not complete is thrown away.
        target.execute("PRAGMA journal_mode = OFF")
        target.execute("PRAGMA synchronous = OFF")
        source.backup(target, pages=STEP_PAGES, progress=report)


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Create a file beside the target that only its owner can access, and remove it in the end."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(descriptor)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _give_name(temporary: Path, target: Path) -> None:
    """Give the copy its name, durably, unless another file has it; raises BackupExists."""
    try:
        # A link never replaces a file, as a rename would.
        target.hardlink_to(temporary)
    except FileExistsError:
        raise BackupExists(path=target) from None
    except OSError:
        # A file system without links.
        if os.path.lexists(target):
            raise BackupExists(path=target) from None
        temporary.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Raise OutputUnwritable for errors of the destination."""
    try:
        yield
    except OSError as error:
        raise OutputUnwritable(reason=f"{path}: {error.strerror or error}") from error
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _DAMAGED:
            raise
        raise OutputUnwritable(reason=f"{path}: {error}") from error
