"""Parses database URLs, and creates the engine for SQLite: durable, with timeouts."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from projector.errors import BadDatabaseUrl

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: The default busy timeout of SQLite, in seconds: a writer's wait for another writer.
BUSY_SECONDS_MAX = 60.0

#: The default wait for a connection of the pool, in seconds.
FREE_SECONDS_MAX = 30.0

#: The number of connections of a process beyond the pool's five: more than a server has threads,
#: so that no thread waits for another one's connection.
OVERFLOW_MAX = 20

#: Names of URL options that hold secrets: libpq accepts the password as an option, too.
_SECRET = re.compile("password|secret|scram", re.IGNORECASE)


def redact(url: URL) -> str:
    """Return a URL for messages and logs: without its password and other secrets."""
    hidden = {name: "..." if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return an INSERT that can have an ON CONFLICT clause; import only the dialect in use."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def parse_url(text: str) -> URL:
    """Parse the URL of a database; raise BadDatabaseUrl unless this program supports it."""
    try:
        url = make_url(text)
        # Text that is not UTF-8 fails here and not later, when another error is to be shown.
        url.render_as_string()
    except (ArgumentError, ValueError) as error:
        # The message does not repeat the text: it may contain a password anywhere.
        reason = "it does not have the form DIALECT://…, or is not UTF-8"
        raise BadDatabaseUrl(url="…", reason=reason) from error
    if "@" in (url.host or ""):
        # An unescaped @ in the password: its end was parsed as part of the host, which is shown.
        raise BadDatabaseUrl(url="…", reason="in a user name or a password, write @ as %40")
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise BadDatabaseUrl(url=redact(url), reason=f"{url.drivername} is not supported")
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    return url


def _check_file(url: URL) -> None:
    """Raise BadDatabaseUrl for a URL of SQLite that does not name a file."""
    if url.username or url.password or url.host or url.port:
        reason = "the file's name follows three slashes (sqlite:///FILE), without a host"
        raise BadDatabaseUrl(url=redact(url), reason=reason)
    if not url.database or ":memory:" in url.database or "memory" in url.query.get("mode", ""):
        raise BadDatabaseUrl(
            url=redact(url), reason="an in-memory database is lost when the process ends"
        )


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


def common_options(lock_seconds_max: float | None) -> dict[str, Any]:
    """Return the options of `create_engine` for both databases."""
    return {
        "max_overflow": OVERFLOW_MAX,
        "pool_timeout": FREE_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max,
        # Errors are logged: their messages must not contain customers' data, such as e-mails.
        "hide_parameters": True,
    }
