"""Purges a SQLite file: writes it anew, or overwrites its free pages; empties its write-ahead log.

A commit leaves erased bytes in three places:

- the write-ahead log, which has pages as they were;
- free pages, such as those of the tables that a rebuild replaced;
- the unused part of pages in use: SQLite does not clear it when it moves rows to another page.

VACUUM cleans all of them. It holds the write lock all the time, and needs the space of the file
twice more, so without being told so it is for small files. In a larger one a filler table takes all
free pages, step by step, and gives them back as zeros; the third place then stays as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from projector.errors import PurgeIncomplete
from projector.store.database import Database
from projector.store.erasure.cleaning import Cleaning, OnProgress, Part

# ruff: noqa: S608 - the name in these statements is the constant below

#: The table that takes the free pages, for the time of a purge.
FILLER = "projector_purge"

#: The pages that one transaction overwrites; 16 MiB. Other writers wait that long.
STEP_PAGES = 2_000

#: The time for which a purge waits for readers that need the write-ahead log, in seconds.
READERS_SECONDS_MAX = 10.0

#: How long one attempt to empty the write-ahead log waits for readers, in milliseconds, while it
#: holds the write lock; and the pause in which others may write, in seconds.
_ATTEMPT_MS, _PAUSE_SECONDS = 50, 0.1

#: The size of a file, in bytes, up to which VACUUM holds the write lock for a second or two.
SMALL_BYTES_MAX = 256 * 1024 * 1024

_LEFT_IN_PAGES = (
    "Pages in use may have pieces of erased rows in their unused part, which no SQL reaches, until "
    "`projector purge --full` writes the file anew."
)

#: What no program can do for the operator.
_LEFT = (
    "Backups and copies of the file still have what was erased: let them expire.",
    "The disk may have deleted files and the blocks of the write-ahead log: encrypt it.",
)


def parts(database: Database) -> list[Part]:
    """Return the file with its size."""
    path = database.file.path
    return [Part(name=path.name, bytes=path.stat().st_size)]


def clean(
    database: Database, *, full: bool, is_stopped: Callable[[], bool], on_progress: OnProgress
) -> Cleaning:
    """Overwrite free pages, or write the file anew if it is small or `full`; empty the log.

    Raises PurgeIncomplete if readers need the write-ahead log for too long, or the purge
    `is_stopped`; the file is sound then.
    """
    full = full or database.file.path.stat().st_size <= SMALL_BYTES_MAX
    with database.connected() as connection:
        try:
            _empty_wal(database, connection)
            # The filler of a purge that was killed.
            _drop_filler(database, connection, "FAST")
            if full:
                cleaned = _vacuum(database, on_progress)
            else:
                cleaned = _overwrite(database, connection, is_stopped, on_progress)
            _empty_wal(database, connection)
        finally:
            # It is closed: its settings must not leak to other users of the pool.
            connection.invalidate()
    left = _LEFT if full else (_LEFT_IN_PAGES, *_LEFT)
    return Cleaning(is_full=full, bytes=cleaned, left=left)


def _vacuum(database: Database, on_progress: OnProgress) -> int:
    """Write the file anew; return its size before, in bytes."""
    size = database.file.path.stat().st_size
    on_progress("rewriting", 0, 0)
    with database.autocommitting() as driver:
        driver.execute("VACUUM")
    return size


def _overwrite(
    database: Database,
    connection: Connection,
    is_stopped: Callable[[], bool],
    on_progress: OnProgress,
) -> int:
    """Overwrite the free pages while other processes write; return their size in bytes."""
    try:
        pages = _fill(database, connection, is_stopped, on_progress)
    except BaseException:
        # What was filled needs no second overwriting. The connection may be broken.
        with suppress(Exception):
            _drop_filler(database, connection, "FAST")
        raise
    # ON also clears the parts of pages that the filler did not reach.
    _drop_filler(database, connection, "ON")
    [page_bytes] = _driver(connection).execute("PRAGMA page_size").fetchone()
    return int(pages * page_bytes)


def _empty_wal(database: Database, connection: Connection) -> None:
    """Copy the write-ahead log into the file and truncate it; raises PurgeIncomplete."""
    driver = _driver(connection)
    deadline = time.monotonic() + READERS_SECONDS_MAX
    while True:
        [patience] = driver.execute("PRAGMA busy_timeout").fetchone()
        driver.execute(f"PRAGMA busy_timeout = {_ATTEMPT_MS}")
        [is_busy, _, _] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        driver.execute(f"PRAGMA busy_timeout = {patience}")
        if not is_busy:
            return
        if time.monotonic() > deadline:
            reason = (
                f"a transaction has been reading for {READERS_SECONDS_MAX:.0f} seconds or more, so "
                f"{database.file.wal.name} cannot be emptied. It may be an export, a backup or a "
                "client that was forgotten."
            )
            raise PurgeIncomplete(url=database, reason=reason)
        time.sleep(_PAUSE_SECONDS)


def _fill(
    database: Database,
    connection: Connection,
    is_stopped: Callable[[], bool],
    on_progress: OnProgress,
) -> int:
    """Let the filler take all free pages, step by step; return their number."""
    pages = 0
    while taken := _fill_step(database, connection):
        pages += taken
        on_progress("overwriting", pages, pages + _free_pages(connection))
        if is_stopped():
            raise PurgeIncomplete(url=database, reason="the process was stopped.")
    return pages


def _fill_step(database: Database, connection: Connection) -> int:
    """Let the filler take at most STEP_PAGES free pages; return how many there were, 0 if none."""
    # The checkpoint at the end makes it durable.
    with database.writing(connection, durable=False):
        pages = min(_free_pages(connection), STEP_PAGES)
        if pages:
            connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {FILLER} (content BLOB)")
            page_bytes = connection.exec_driver_sql("PRAGMA page_size").scalar_one()
            # A page of a large value has 4 bytes for the number of the next one.
            connection.exec_driver_sql(
                f"INSERT INTO {FILLER} VALUES (zeroblob({pages * (page_bytes - 4)}))"
            )
    return pages


def _free_pages(connection: Connection) -> int:
    return int(_driver(connection).execute("PRAGMA freelist_count").fetchone()[0])


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def _drop_filler(database: Database, connection: Connection, secure_delete: str) -> None:
    """Give the filler's pages back, step by step; with ON as zeros, with FAST as they are."""
    _driver(connection).execute(f"PRAGMA secure_delete = {secure_delete}")
    while _drop_step(database, connection):
        pass


def _drop_step(database: Database, connection: Connection) -> bool:
    """Delete one row of the filler, or the empty filler; return whether something is left."""
    with database.writing(connection, durable=False):
        names = connection.exec_driver_sql(
            f"SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = '{FILLER}'"
        )
        if names.first() is None:
            return False
        last = f"(SELECT max(rowid) FROM {FILLER})"
        if connection.exec_driver_sql(f"DELETE FROM {FILLER} WHERE rowid = {last}").rowcount:
            return True
        connection.exec_driver_sql(f"DROP TABLE {FILLER}")
        return False
