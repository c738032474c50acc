"""How a SQLite file and a Postgres server are opened: durable, bounded, and noticed when gone."""

from __future__ import annotations

import os
import re
import select
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError

from projector.errors import BadDatabaseUrl

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

#: How long a writer waits for another one on SQLite, in seconds.
BUSY_SECONDS_MAX = 60.0

#: How long a transaction waits for a connection where no bound is given, in seconds.
FREE_SECONDS_MAX = 30.0

#: How many connections a process may have beyond the five that are kept: more than the threads of
#: a server, so that none waits for another one's.
OVERFLOW_MAX = 20

#: A transaction as a whole may take so many times as long as it may be idle.
_WHOLE_TIMES = 6

#: How long Postgres may take to answer a new connection, in seconds.
CONNECT_SECONDS_MAX = 5

#: A network that has swallowed a connection says nothing: the system asks after ten seconds, and
#: gives up after ten more.
_KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}

#: Options of a URL that hold what nobody else may know: libpq takes the password there, too.
_SECRET = re.compile("password|secret|scram", re.IGNORECASE)


def redact(url: URL) -> str:
    """A URL as people and logs may see it."""
    hidden = {name: "..." if _SECRET.search(name) else value for name, value in url.query.items()}
    return url.set(query=hidden).render_as_string(hide_password=True)


def insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can have an ON CONFLICT clause; only the dialect in use is imported."""
    if connection.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def parse_url(text: str) -> URL:
    """The URL that a text says, if this program can use it; raises BadDatabaseUrl."""
    try:
        url = make_url(text)
        # What is not UTF-8 could not be shown later, where something else goes wrong.
        url.render_as_string()
    except (ArgumentError, ValueError) as error:
        # The text itself is not repeated: it may hold a password, and nobody knows where.
        reason = "it is not of the form DIALECT://…, or not UTF-8"
        raise BadDatabaseUrl(url="…", reason=reason) from error
    if "@" in (url.host or ""):
        # The end of the password is taken for the beginning of the host, and would be shown.
        raise BadDatabaseUrl(url="…", reason="in a name or a password, @ is written %40")
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise BadDatabaseUrl(url=redact(url), reason=f"{url.drivername} is not supported")
    if url.get_backend_name() == "sqlite":
        _check_file(url)
    return url


def _check_file(url: URL) -> None:
    """Raise BadDatabaseUrl for a URL of SQLite that names no file."""
    if url.username or url.password or url.host or url.port:
        reason = "before a file's name come three slashes, no host"
        raise BadDatabaseUrl(url=redact(url), reason=reason)
    if not url.database or ":memory:" in url.database or "memory" in url.query.get("mode", ""):
        raise BadDatabaseUrl(
            url=redact(url), reason="a database in memory is gone with the process"
        )


def create_sqlite_engine(url: URL, lock_seconds_max: float) -> Engine:
    """An engine for a file; a writer waits for others for so long."""
    engine = create_engine(
        url, connect_args={"timeout": lock_seconds_max}, **_common_options(lock_seconds_max)
    )

    @event.listens_for(engine, "do_connect")
    def make(_dialect: object, _record: object, arguments: list[Any], _named: object) -> None:
        _create_private_file(arguments[0])

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy's `begin` below opens transactions; the driver must not do so by itself.
        connection.isolation_level = None
        # Bodies of a kilobyte fit better into pages of 8 KiB; counts only for a new file.
        connection.execute("PRAGMA page_size = 8192")
        _use_wal(connection, lock_seconds_max)
        # The pages of the indexes that a batch touches; with 2 MiB, the default, they spill.
        connection.execute("PRAGMA cache_size = -16384")
        # Some builds overwrite what is deleted, page by page, so that to drop a table takes seconds
        # of the write lock. The log keeps everything anyway.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        durable = options.get("sqlite_durable", True)
        if connection.info.get("durable", True) != durable:
            # In WAL mode only FULL makes a commit survive a power cut.
            connection.exec_driver_sql(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            connection.info["durable"] = durable
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))

    return engine


def _create_private_file(path: str) -> None:
    """A new file is for its owner and group alone, or for fewer by the umask: customers are in it.

    One that is there stays as it is. SQLite gives the files beside it the same mode.
    """
    if not path.startswith("file:"):
        # What is wrong with the path is told by SQLite.
        with suppress(OSError, ValueError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o660))


def _use_wal(connection: sqlite3.Connection, lock_seconds_max: float) -> None:
    """Let readers go on while one writes.

    Two processes that open a new file at once contradict each other here, and SQLite says so at
    once instead of waiting for its busy timeout.
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


def create_postgres_engine(
    url: URL, lock_seconds_max: float | None, idle_seconds_max: float | None
) -> Engine:
    """An engine for a server; the bounds are those of `engine.Database`."""
    try:
        defaults = {**_KEEPALIVE, "connect_timeout": CONNECT_SECONDS_MAX}
        own = {name: value for name, value in defaults.items() if name not in url.query}
        engine = create_engine(url, connect_args=own, **_common_options(lock_seconds_max))
    except ImportError as error:
        raise BadDatabaseUrl(
            url=redact(url), reason="psycopg is missing; install the extra `postgres`"
        ) from error
    settings = "; ".join(_session_settings(lock_seconds_max, idle_seconds_max))

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute(settings)
            connection.commit()
        except BaseException:
            # The pool forgets one that could not be set up.
            connection.close()
            raise

    @event.listens_for(engine, "checkout")
    def look(connection: Any, _record: object, _proxy: object) -> None:
        if connection.closed or _is_readable(connection.fileno()):
            # The pool makes a new one.
            raise DisconnectionError

    return engine


def _session_settings(
    lock_seconds_max: float | None, idle_seconds_max: float | None
) -> Iterator[str]:
    """What a new connection to Postgres is told, as statements."""
    # Python cannot hold instants of year 1 or 9999 in the time zones of some servers.
    yield "SET TIME ZONE 'UTC'"
    # A commit is answered when it is on disk, whatever the server is set to; but what is set to
    # more than that stays.
    yield (
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    # Not among the options of the connection: there some poolers refuse them.
    if lock_seconds_max is not None:
        yield f"SET lock_timeout = {_milliseconds(lock_seconds_max)}"
    if idle_seconds_max is not None:
        timeout = _milliseconds(idle_seconds_max)
        yield f"SET idle_in_transaction_session_timeout = {timeout}"
        # Where the server has it (17 and later), also for a client that was stopped amid a COPY.
        whole = _milliseconds(idle_seconds_max * _WHOLE_TIMES)
        yield (
            f"SELECT set_config(name, '{whole}', false) FROM pg_settings"  # noqa: S608 - a number
            " WHERE name = 'transaction_timeout'"
        )


def _common_options(lock_seconds_max: float | None) -> dict[str, Any]:
    """What SQLAlchemy is told on either database."""
    return {
        "max_overflow": OVERFLOW_MAX,
        "pool_timeout": FREE_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max,
        # An error that is logged must not tell of customers: in the log their e-mails would stay.
        "hide_parameters": True,
    }


def _milliseconds(seconds: float) -> int:
    """For a setting of Postgres, where 0 would mean: no bound."""
    return max(1, round(seconds * 1000))


def _is_readable(fileno: int) -> bool:
    """Whether something waits in the socket of a connection that nobody uses.

    So it is once the server has ended the connection, be it for a restart. A ping would tell that
    too, for a round trip (23 µs at the least) where this takes half a microsecond.
    """
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return bool(poll.poll(0))
