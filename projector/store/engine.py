"""The connection to the database: how it is opened, and how a transaction reads or writes."""

from __future__ import annotations

import os
import select
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from typing import Any
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from projector.errors import BadDatabaseUrl, DatabaseBusy, DatabaseUnreachable, RightsMissing

#: How long a writer waits for another one on SQLite, in seconds.
BUSY_SECONDS_MAX = 60.0

#: How many connections a process may have beyond the five that are kept: more than the threads of
#: a server, so that none waits for another one's.
OVERFLOW_MAX = 20

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

#: Postgres ended the connection in the middle of a transaction: it was idle, or took too long.
_ENDED_BY_SERVER = frozenset({"25P03", "25P04"})


class Database:
    """A database, SQLite or Postgres, and its two kinds of transaction.

    Two bounds for processes that live long. After waiting `lock_seconds_max` for somebody else's
    lock a transaction fails with DatabaseBusy; unless given, 60 seconds on SQLite, and without end
    on Postgres. Where a process did nothing for `idle_seconds_max` in the middle of a transaction,
    because it was stopped, Postgres ends the transaction and its locks; SQLite has no such thing.
    """

    def __init__(
        self,
        url: str,
        *,
        lock_seconds_max: float | None = None,
        idle_seconds_max: float | None = None,
    ) -> None:
        self.url = _checked(url)
        self._open: WeakSet[Any] = WeakSet()
        try:
            self.engine = (
                _sqlite(self.url, lock_seconds_max)
                if self.is_sqlite
                else _postgres(self.url, lock_seconds_max, idle_seconds_max)
            )
            self.engine.dialect.create_connect_args(self.url)
            if not self.is_sqlite:
                event.listen(self.engine, "connect", lambda opened, _: self._open.add(opened))
        except ValueError as error:
            raise BadDatabaseUrl(url=self, reason=error) from error

    @property
    def is_sqlite(self) -> bool:
        """SQLite or else Postgres."""
        return self.url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection for several transactions, for what lives in it, such as temporary tables."""
        with self._translating(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def outside_of_transactions(self) -> Iterator[Any]:
        """A connection of Postgres's driver, for what goes on without a transaction."""
        with self._translating():
            pooled = self.engine.raw_connection()
            connection: Any = pooled.driver_connection
            # It lives long, and what it is set to must not come upon somebody else.
            pooled.detach()
            with closing(connection):
                connection.autocommit = True
                yield connection

    @contextmanager
    def reading(self, connection: Connection | None = None) -> Iterator[Connection]:
        """A transaction that sees one snapshot from its first statement to its end."""
        with self._transaction(connection, "REPEATABLE READ", "BEGIN") as begun:
            yield begun

    @contextmanager
    def reading_tables(self) -> Iterator[Connection]:
        """As `reading`, for the current-state tables: none is replaced by a rebuild meanwhile.

        On Postgres a snapshot tells which rows are seen, and not in which table: one that took the
        place of another after the snapshot would look half empty. So the lock comes first.
        """
        with self.reading() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("LOCK TABLE checkpoint IN ACCESS SHARE MODE")
            yield connection

    @contextmanager
    def writing(self, connection: Connection | None = None) -> Iterator[Connection]:
        """A transaction that commits at its end, or rolls back when the block raises.

        SQLite takes its one write lock at the start: a transaction that reads first and writes
        later could only fail when another writer came in between.
        """
        with self._transaction(connection, "READ COMMITTED", "BEGIN IMMEDIATE") as begun:
            yield begun

    @contextmanager
    def _transaction(
        self, connection: Connection | None, isolation_level: str, sqlite_begin: str
    ) -> Iterator[Connection]:
        with (
            self._translating(),
            self.engine.connect() if connection is None else nullcontext(connection) as held,
        ):
            if self.is_sqlite:
                held.execution_options(sqlite_begin=sqlite_begin)
            else:
                held.execution_options(isolation_level=isolation_level)
            with held.begin():
                yield held

    def close(self) -> None:
        """Close all connections; on SQLite the last one folds the write-ahead log back."""
        self.engine.dispose()

    def cut(self) -> None:
        """Break all connections to Postgres; who waits on one gets DatabaseUnreachable.

        For a server that does not answer: its machine may, so that nothing else ends the waiting.
        """
        for connection in list(self._open):
            with suppress(Exception), socket.socket(fileno=_duplicate(connection)) as wire:
                # It may have been closed meanwhile, and its number be somebody else's.
                if not connection.closed:
                    wire.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Errors of the database, be they SQLAlchemy's or (in COPY) the driver's own."""
        driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        try:
            yield
        except PoolTimeoutError as error:
            raise DatabaseBusy(url=self, reason="all connections are in use") from error
        except (DBAPIError, driver_error) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            reason = str(cause).strip()
            if "database is locked" in reason or getattr(cause, "sqlstate", None) == "55P03":
                raise DatabaseBusy(url=self, reason=reason) from error
            if getattr(cause, "sqlstate", None) == "42501":
                raise RightsMissing(url=self, reason=reason.partition("\n")[0]) from error
            if _is_environment(cause):
                raise DatabaseUnreachable(url=self, reason=reason) from error
            raise


def _duplicate(connection: Any) -> int:
    return os.dup(connection.fileno())


def _is_environment(cause: object) -> bool:
    """Whether the database is at fault (gone, full, read-only) and not the statement.

    Both drivers call that OperationalError, or a subclass of it. SQLite's says DatabaseError, and
    no subclass, of a file that is damaged or no database; psycopg's ProgrammingError, that a
    connection cannot be made in this way, and InternalError, that the server ended a transaction
    for its age.
    """
    names = {kind.__name__ for kind in type(cause).__mro__}
    return (
        "OperationalError" in names
        or type(cause) is sqlite3.DatabaseError
        or "invalid connection option" in str(cause)
        or getattr(cause, "sqlstate", None) in _ENDED_BY_SERVER
    )


def _checked(text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        # The text itself is not repeated: it may hold a password, and nobody knows where.
        raise BadDatabaseUrl(url="…", reason="it is not of the form DIALECT://…") from error
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise BadDatabaseUrl(
            url=url.render_as_string(), reason=f"{url.drivername} is not supported"
        )
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise BadDatabaseUrl(url=text, reason="a database in memory is gone with the process")
    return url


def _sqlite(url: URL, lock_seconds_max: float | None) -> Engine:
    busy_seconds_max = BUSY_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max
    engine = create_engine(
        url, connect_args={"timeout": busy_seconds_max}, max_overflow=OVERFLOW_MAX
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        # SQLAlchemy's `begin` below opens transactions; the driver must not do so by itself.
        connection.isolation_level = None
        # Bodies of a kilobyte fit better into pages of 8 KiB; counts only for a new file.
        connection.execute("PRAGMA page_size = 8192")
        _use_wal(connection, busy_seconds_max)
        # The pages of the indexes that a batch touches; with 2 MiB, the default, they spill.
        connection.execute("PRAGMA cache_size = -16384")
        # Some builds overwrite what is deleted, page by page, so that to drop a table takes seconds
        # of the write lock. The log keeps everything anyway.
        connection.execute("PRAGMA secure_delete = FAST")
        # In WAL mode only FULL makes a commit survive a power cut.
        connection.execute("PRAGMA synchronous = FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options: dict[str, Any] = dict(connection.get_execution_options())
        connection.exec_driver_sql(options.get("sqlite_begin", "BEGIN"))

    return engine


def _use_wal(connection: sqlite3.Connection, busy_seconds_max: float) -> None:
    """Let readers go on while one writes.

    Two processes that open a new file at once contradict each other here, and SQLite says so at
    once instead of waiting for its busy timeout.
    """
    deadline = time.monotonic() + busy_seconds_max
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


def _postgres(url: URL, lock_seconds_max: float | None, idle_seconds_max: float | None) -> Engine:
    try:
        given = {**_KEEPALIVE, "connect_timeout": CONNECT_SECONDS_MAX}
        own = {name: value for name, value in given.items() if name not in url.query}
        engine = create_engine(url, connect_args=own, max_overflow=OVERFLOW_MAX)
    except (ImportError, NoSuchModuleError) as error:
        raise BadDatabaseUrl(
            url=url.render_as_string(), reason="psycopg is missing; install the extra `postgres`"
        ) from error
    # Python cannot hold instants of year 1 or 9999 in the time zones of some servers.
    settings = ["SET TIME ZONE 'UTC'"]
    # Not among the options of the connection: there some poolers refuse them.
    if lock_seconds_max is not None:
        settings.append(f"SET lock_timeout = {_milliseconds(lock_seconds_max)}")
    if idle_seconds_max is not None:
        timeout = _milliseconds(idle_seconds_max)
        settings.append(f"SET idle_in_transaction_session_timeout = {timeout}")

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("; ".join(settings))
        connection.commit()

    @event.listens_for(engine, "checkout")
    def look(connection: Any, _record: object, _proxy: object) -> None:
        if connection.closed or _is_readable(connection.fileno()):
            # The pool makes a new one.
            raise DisconnectionError

    return engine


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
