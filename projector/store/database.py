"""Opens a database and runs its transactions: reading (a snapshot) and writing."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from threading import RLock
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from projector.errors import BadDatabaseUrl, DatabaseBusy, DirectDatabaseElsewhere
from projector.store import dialects, postgres, sqlite
from projector.store.driver_errors import translate_error
from projector.store.kept_connections import KeptConnections, autocommitting
from projector.store.postgres_settings import Timeouts
from projector.store.read_errors import is_unreadable


class Database:
    """A database, SQLite or Postgres, with its connection pool and two kinds of transaction.

    Two timeouts for long-lived processes:

    - `lock_seconds_max`: a transaction that waits longer for a lock of another transaction, or for
      a connection of the pool, raises DatabaseBusy. Default for a lock: 60 seconds on SQLite, no
      limit on Postgres.
    - `idle_seconds_max`: Postgres ends a transaction, and releases its locks, if its process did
      nothing for longer during it, for example because it was suspended. Default: no limit. SQLite
      has no such timeout.

    `direct_url` leads to the same database of Postgres without a connection pooler, for rebuilds.
    """

    def __init__(
        self,
        url: str,
        *,
        direct_url: str | None = None,
        lock_seconds_max: float | None = None,
        idle_seconds_max: float | None = None,
    ) -> None:
        self._direct_url = direct_url
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
                else postgres.create_postgres_engine(
                    self.url,
                    Timeouts(lock_seconds_max=lock_seconds_max, idle_seconds_max=idle_seconds_max),
                )
            )
            self.engine.dialect.create_connect_args(self.url)
            if not self.is_sqlite:
                event.listen(self.engine, "connect", lambda opened, _: self._open.add(opened))
            self._kept = KeptConnections(self.engine)
        except (ValueError, NoSuchModuleError) as error:
            raise BadDatabaseUrl(url=str(self), reason=error) from error
        except ArgumentError:
            # SQLAlchemy's own message contains the URL with its password.
            raise BadDatabaseUrl(url=str(self), reason="SQLAlchemy cannot parse it") from None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite; otherwise it is Postgres."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def is_pooled(self) -> bool:
        """Whether a pooler gives each transaction another session; connects to find it out.

        Then nothing outlives a transaction: no LISTEN, session lock or temporary table.
        """
        if self.is_sqlite:
            return False
        with self._translating(), self.engine.connect() as connection:
            return postgres.is_pooled(connection)

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
        self.close()
        self.file.may_create = True
        try:
            yield
        except BaseException:
            self.close()
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
    def direct(self) -> Iterator[Database]:
        """Yield the database at its direct URL, or this one without such a URL.

        Raises DirectDatabaseElsewhere if the URL leads to another database.
        """
        if self._direct_url is None or self.is_sqlite:
            yield self
            return
        with closing(Database(self._direct_url)) as direct:
            if direct.is_sqlite or direct._identity() != self._identity():
                raise DirectDatabaseElsewhere(direct=direct, url=self)
            yield direct

    def _identity(self) -> tuple[object, ...]:
        with self.reading() as connection:
            return postgres.identity(connection)

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

    def select(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]] | None:
        """Return the rows of a SELECT, as the driver has them, from a snapshot of its own.

        For the queries that are sent most: without the work of SQLAlchemy, and without BEGIN and
        COMMIT, which take longer than the statement. None behind a connection pooler, where a
        statement needs a transaction for the settings of its session. Raises the driver's own error
        for a stored value that the driver cannot read: see `read_errors.is_unreadable`.
        """
        try:
            return self._kept.select(statement, parameters)
        except (DBAPIError, PoolTimeout, self.engine.dialect.loaded_dbapi.Error) as error:
            translated = None if is_unreadable(error) else translate_error(self, error)
            if translated is None:
                raise
            raise translated from error

    @contextmanager
    def writing(
        self, connection: Connection | None = None, *, durable: bool = True
    ) -> Iterator[Connection]:
        """Open a write transaction: it commits at its end, or rolls back if the block raises.

        SQLite takes its one write lock at the start (BEGIN IMMEDIATE): a transaction that read
        first and wrote later would fail if another one had written in between. Without `durable`,
        the commit does not wait for fsync: a power cut may undo it together with all later ones,
        but never what was durable before. Raises EncodingUnsuitable.
        """
        with (
            self._sqlite_turn(),
            self._transaction(connection, "READ COMMITTED", sqlite.WRITING, durable) as begun,
        ):
            if not self.is_sqlite:
                postgres.require_utf8(begun, self)
                if not durable:
                    begun.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield begun

    @contextmanager
    def autocommitting(self, *, durable: bool = True) -> Iterator[Any]:
        """Yield a driver's connection, in autocommit mode; None behind a pooler.

        For writing with few small statements: SQLAlchemy's work for each takes longer than they
        do. Behind a pooler each transaction must make the settings of the session first. Raises
        EncodingUnsuitable.
        """
        with (
            self._sqlite_turn(),
            self._translating(),
            autocommitting(self.engine, self, durable=durable) as driver,
        ):
            yield driver

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
        self._kept.close()
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
