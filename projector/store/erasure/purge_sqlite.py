"""Overwrites the free pages of a SQLite file, and empties its write-ahead log.

A commit leaves erased bytes in two places: in the write-ahead log, which has pages as they were,
and in pages that were freed earlier, such as those of the tables that a rebuild replaced. A filler
table takes all free pages, and gives them back as zeros. VACUUM would need the space of the file
once more, five times the work, and the write lock all the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection

from projector.errors import PurgeIncomplete
from projector.store.database import Database

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

#: What no program can do for the operator.
LEFT = (
    "Backups and copies of the file still have what was erased: let them expire.",
    "The disk may have deleted files and the blocks of the write-ahead log: encrypt it.",
)

#: As in `purge.OnProgress`.
_OnProgress = Callable[[str, int, int], None]


def overwrite(database: Database, is_stopped: Callable[[], bool], on_progress: _OnProgress) -> int:
    """Overwrite free pages and empty the write-ahead log; return the bytes that were overwritten.

    Other processes may write meanwhile. Raises PurgeIncomplete if readers need the write-ahead log
    for too long, or the purge `is_stopped`; the file is sound then.
    """
    with database.connected() as connection:
        # Its settings must not leak to other users of the pool.
        connection.detach()
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA busy_timeout = {_ATTEMPT_MS}")
        _empty_wal(database, driver)
        [page_bytes] = driver.execute("PRAGMA page_size").fetchone()
        try:
            # One that a killed purge has left.
            _drop_filler(database, connection, "FAST")
            pages = _fill(database, connection, is_stopped, on_progress)
        except BaseException:
            # Its pages need no second overwriting. The connection may be broken.
            with suppress(Exception):
                _drop_filler(database, connection, "FAST")
            raise
        # ON also clears the part of a page that the filler did not reach.
        _drop_filler(database, connection, "ON")
        _empty_wal(database, driver)
    return int(pages * page_bytes)


def _empty_wal(database: Database, driver: Any) -> None:
    """Copy the write-ahead log into the file and truncate it; raises PurgeIncomplete."""
    deadline = time.monotonic() + READERS_SECONDS_MAX
    while True:
        [is_busy, _, _] = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
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
    on_progress: _OnProgress,
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
    driver: Any = connection.connection.driver_connection
    return int(driver.execute("PRAGMA freelist_count").fetchone()[0])


def _drop_filler(database: Database, connection: Connection, secure_delete: str) -> None:
    """Give the filler's pages back, step by step; with ON as zeros, with FAST as they are."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA secure_delete = {secure_delete}")
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
