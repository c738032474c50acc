"""Opens SQLite files: private, durable, with a write-ahead log."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from projector.store.dialects import common_options

#: The default busy timeout of SQLite, in seconds: a writer's wait for another writer.
BUSY_SECONDS_MAX = 60.0


def create_sqlite_engine(url: URL, lock_seconds_max: float) -> Engine:
    """Create the engine for a SQLite file; a writer waits `lock_seconds_max` for other writers."""
    engine = create_engine(
        url, connect_args={"timeout": lock_seconds_max}, **common_options(lock_seconds_max)
    )

    @event.listens_for(engine, "do_connect")
    def make(_dialect: object, _record: object, arguments: list[Any], _named: object) -> None:
        _create_private_file(arguments[0])

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        # The `begin` listener below opens transactions; the driver must not do so implicitly.
        connection.isolation_level = None
        # Bodies of a kilobyte fit better into pages of 8 KiB; only takes effect in a new file.
        connection.execute("PRAGMA page_size = 8192")
        _use_wal(connection, lock_seconds_max)
        # 16 MiB for the pages of the indexes that a batch touches: with the default of 2 MiB,
        # they spill.
        connection.execute("PRAGMA cache_size = -16384")
        # Some builds overwrite deleted content page by page, so that DROP TABLE holds the write
        # lock for seconds. It would hide nothing: the log keeps every event anyway.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        durable = options.get("sqlite_durable", True)
        if connection.info.get("durable", True) != durable:
            # In WAL mode only FULL calls fsync for each commit, which then survives a power cut.
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.info["durable"] = durable
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))

    return engine


def _create_private_file(path: str) -> None:
    """Create a file that only its owner and group can access (0660 minus the umask).

    It will hold customers' data. An existing file keeps its mode. SQLite gives the files beside it
    (-wal, -shm) the same mode.
    """
    if not path.startswith("file:"):
        # If the path is invalid, SQLite reports it.
        with suppress(OSError, ValueError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660))


def _use_wal(connection: sqlite3.Connection, lock_seconds_max: float) -> None:
    """Switch the file to write-ahead logging (WAL), so that readers and a writer do not block.

    Retries: if two processes switch a new file at once, SQLite refuses one of them immediately
    ("database is locked") instead of waiting for the busy timeout.
    """
    deadline = time.monotonic() + lock_seconds_max
    while True:
        try:
            [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
    if mode != "wal":
        raise sqlite3.OperationalError("the file system does not allow a write-ahead log")
