"""Opens a database and runs its transactions: reading (a snapshot) and writing."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from threading import RLock
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from projector.errors import (
    BadDatabaseUrl,
    DatabaseBusy,
    DatabaseUnreachable,
    ProjectorError,
    RightsMissing,
)
from projector.store import dialects, sqlite

#: The beginning of psycopg's message for an unknown option of the URL, or an invalid value of one.
_BAD_OPTION = re.compile("^(invalid connection option|bad value for [a-z_]+: )")

#: SQLSTATE codes of Postgres: idle_in_transaction_session_timeout, transaction_timeout (both end
#: the connection during a transaction), and read_only_sql_transaction (a standby).
_OF_THE_SERVER = frozenset({"25P03", "25P04", "25006"})

#: The SQLSTATE class of internal errors of Postgres, such as a file that cannot grow.
_INTERNAL_ERROR = "XX"


class Database:
    """A database, SQLite or Postgres, with its connection pool and two kinds of transaction.

    Two timeouts for long-lived processes:

    - `lock_seconds_max`: a transaction that waits longer for a lock of another transaction, or for
      a connection of the pool, raises DatabaseBusy. Default for a lock: 60 seconds on SQLite, no
      limit on Postgres.
    - `idle_seconds_max`: Postgres ends a transaction, and releases its locks, if its process did
      nothing for longer during it, for example because it was suspended. Default: no limit. SQLite
      has no such timeout.
    """

    def __init__(
        self,
        url: str,
        *,
        lock_seconds_max: float | None = None,
        idle_seconds_max: float | None = None,
    ) -> None:
        self.url = dialects.parse_url(url)
        # Reentrant: after a Ctrl-C that comes before the release, its thread can take it again.
        self._writer = RLock()
        self._lock_seconds_max = (
            sqlite.BUSY_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max
        )
        self._open: WeakSet[Any] = WeakSet()
        #: The file; it has no meaning for Postgres.
        self.file = sqlite.SqliteFile.of(self.url)
        try:
            self.engine = (
                sqlite.create_sqlite_engine(self.url, self._lock_seconds_max, self.file)
                if self.is_sqlite
                else dialects.create_postgres_engine(self.url, lock_seconds_max, idle_seconds_max)
            )
            self.engine.dialect.create_connect_args(self.url)
            if not self.is_sqlite:
                event.listen(self.engine, "connect", lambda opened, _: self._open.add(opened))
        except (ValueError, NoSuchModuleError) as error:
            raise BadDatabaseUrl(url=str(self), reason=error) from error
        except ArgumentError:
            # SQLAlchemy's own message contains the URL with its password.
            raise BadDatabaseUrl(url=str(self), reason="SQLAlchemy cannot parse it") from None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite; otherwise it is Postgres."""
        return self.url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        return dialects.redact(self.url)

    def wal_bytes(self) -> int:
        """Return the size of the write-ahead log of a SQLite database; 0 on Postgres."""
        try:
            return self.file.wal.stat().st_size if self.is_sqlite else 0
        except OSError:
            return 0

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Let connections create the file of a SQLite database; without this, none does.

        Else a mistyped name would be answered by a new, empty database.
        """
        # Connections that are open have found the file as it was.
        self.engine.dispose()
        self.file.may_create = True
        try:
            yield
        except BaseException:
            self.engine.dispose()
            if self.is_sqlite:
                self.file.abandon()
            raise
        finally:
            self.file.may_create = False

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield one connection for several transactions, which share its temporary tables etc."""
        with self._translating(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def outside_of_transactions(self) -> Iterator[Any]:
        """Yield a connection of Postgres's driver in autocommit mode, such as for LISTEN."""
        with self._translating():
            pooled = self.engine.raw_connection()
            connection: Any = pooled.driver_connection
            # Take it out of the pool: its settings must not leak to the next user of a connection.
            pooled.detach()
            with closing(connection):
                connection.autocommit = True
                yield connection

    @contextmanager
    def reading(self, connection: Connection | None = None) -> Iterator[Connection]:
        """Open a read transaction, which sees one snapshot from its first statement to its end."""
        with self._transaction(connection, "REPEATABLE READ", "BEGIN") as begun:
            yield begun

    @contextmanager
    def reading_tables(self) -> Iterator[Connection]:
        """Open a read transaction in which no rebuild can swap the current-state tables.

        On Postgres a snapshot decides which rows are visible, not which table a name means: a
        table that was swapped in after the snapshot would look half empty. So this takes a lock
        that the swap waits for, before the first statement makes the snapshot.
        """
        with self.reading() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("LOCK TABLE checkpoint IN ACCESS SHARE MODE")
            yield connection

    @contextmanager
    def writing(
        self, connection: Connection | None = None, *, durable: bool = True
    ) -> Iterator[Connection]:
        """Open a write transaction: it commits at its end, or rolls back if the block raises.

        SQLite takes its one write lock at the start (BEGIN IMMEDIATE): a transaction that read
        first and wrote later would fail if another one had written in between. Without `durable`,
        the commit does not wait for fsync: a power cut may undo it together with all later ones,
        but never what was durable before.
        """
        with (
            self._sqlite_turn(),
            self._transaction(connection, "READ COMMITTED", "BEGIN IMMEDIATE", durable) as begun,
        ):
            if not durable and not self.is_sqlite:
                begun.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield begun

    @contextmanager
    def _sqlite_turn(self) -> Iterator[None]:
        """Let the threads of this process write to SQLite one after another; raises DatabaseBusy.

        SQLite's busy handler polls with growing pauses (backoff): a thread that polls at the wrong
        moments waits long. A lock of the process wakes it as soon as it is released.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=self._lock_seconds_max):
            raise DatabaseBusy(url=self, reason="another thread of this process is writing to it")
        try:
            yield
        finally:
            self._writer.release()

    @contextmanager
    def _transaction(
        self,
        connection: Connection | None,
        isolation_level: str,
        sqlite_begin: str,
        durable: bool = True,
    ) -> Iterator[Connection]:
        """Run a transaction in a connection of the pool, or in the one that is given.

        The options for SQLite are read by the `begin` listener in `sqlite`.
        """
        with (
            self._translating(),
            self.engine.connect() if connection is None else nullcontext(connection) as used,
        ):
            if self.is_sqlite:
                used.execution_options(sqlite_begin=sqlite_begin, sqlite_durable=durable)
            else:
                used.execution_options(isolation_level=isolation_level)
            with used.begin():
                yield used

    def close(self) -> None:
        """Close all connections; on SQLite the last one checkpoints the write-ahead log."""
        self.engine.dispose()

    def cut(self) -> None:
        """Shut down the sockets of all connections to Postgres.

        A thread that waits on one gets DatabaseUnreachable. For a server that hangs: its machine
        may still acknowledge TCP keepalives, so that nothing else would end the waiting.
        """
        for connection in list(self._open):
            with suppress(Exception), socket.socket(fileno=_duplicate(connection)) as duplicate:
                # It may have been closed meanwhile, and its file descriptor been reused.
                if not connection.closed:
                    duplicate.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Raise errors of SQLAlchemy, or of the driver (during COPY), as errors of this program."""
        driver_error: type[Exception] = self.engine.dialect.loaded_dbapi.Error
        try:
            yield
        except (DBAPIError, PoolTimeout, driver_error) as error:
            translated = translate_error(self, error)
            if translated is None:
                raise
            raise translated from error


def _duplicate(connection: Any) -> int:
    return os.dup(connection.fileno())


def translate_error(url: object, error: Exception) -> ProjectorError | None:
    """Return the error to show to an operator; None if the statement, so a bug, is the cause."""
    if isinstance(error, PoolTimeout):
        return DatabaseBusy(url=url, reason="all connections of this process are in use")
    cause = error.orig if isinstance(error, DBAPIError) else error
    reason = str(cause).strip()
    if "database is locked" in reason or getattr(cause, "sqlstate", None) == "55P03":
        return DatabaseBusy(url=url, reason=reason)
    if getattr(cause, "sqlstate", None) == "42501":
        return RightsMissing(url=url, reason=reason.partition("\n")[0])
    if _is_environment(cause):
        return DatabaseUnreachable(url=url, reason=reason)
    return None


def _is_environment(cause: object) -> bool:
    """Return whether the database is the cause (gone, full, read-only) and not the statement.

    Both drivers raise OperationalError, or a subclass of it, for most of these. The exceptions:

    - sqlite3 raises DatabaseError itself for a file that is damaged or not a database.
    - psycopg raises ProgrammingError for an invalid option of the connection.
    - psycopg raises InternalError if the server ended a transaction because of its age, is
      read-only, or has an internal error.
    """
    code = getattr(cause, "sqlstate", None) or ""
    names = {kind.__name__ for kind in type(cause).__mro__}
    return (
        "OperationalError" in names
        or type(cause) is sqlite3.DatabaseError
        or _BAD_OPTION.search(str(cause)) is not None
        or code in _OF_THE_SERVER
        or code.startswith(_INTERNAL_ERROR)
    )
