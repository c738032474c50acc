"""The connection to the database: how it is opened, and how a transaction reads or writes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from threading import RLock
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as NoneFree

from projector.errors import BadDatabaseUrl, DatabaseBusy
from projector.store import dialects, failures


class Database:
    """A database, SQLite or Postgres, and its two kinds of transaction.

    Two bounds for processes that live long. After waiting `lock_seconds_max` for somebody else's
    lock, or for a connection, a transaction fails with DatabaseBusy; unless given, 60 seconds for a
    lock on SQLite, and without end on Postgres. Where a process did nothing for `idle_seconds_max`
    in the middle of a transaction, because it was stopped, Postgres ends the transaction and its
    locks; SQLite has no such thing.
    """

    def __init__(
        self,
        url: str,
        *,
        lock_seconds_max: float | None = None,
        idle_seconds_max: float | None = None,
    ) -> None:
        self.url = dialects.checked(url)
        # One that its own thread may take again: Ctrl-C may come before it is given back.
        self._writer = RLock()
        self._lock_seconds_max = (
            dialects.BUSY_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max
        )
        self._open: WeakSet[Any] = WeakSet()
        try:
            self.engine = (
                dialects.sqlite(self.url, self._lock_seconds_max)
                if self.is_sqlite
                else dialects.postgres(self.url, lock_seconds_max, idle_seconds_max)
            )
            self.engine.dialect.create_connect_args(self.url)
            if not self.is_sqlite:
                event.listen(self.engine, "connect", lambda opened, _: self._open.add(opened))
        except (ValueError, NoSuchModuleError) as error:
            raise BadDatabaseUrl(url=str(self), reason=error) from error
        except ArgumentError:
            # SQLAlchemy's own words name the URL, with its password.
            raise BadDatabaseUrl(url=str(self), reason="SQLAlchemy has no use for it") from None

    @property
    def is_sqlite(self) -> bool:
        """SQLite or else Postgres."""
        return self.url.get_backend_name() == "sqlite"

    def __str__(self) -> str:
        return dialects.shown(self.url)

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
    def writing(
        self, connection: Connection | None = None, *, durable: bool = True
    ) -> Iterator[Connection]:
        """A transaction that commits at its end, or rolls back when the block raises.

        SQLite takes its one write lock at the start: a transaction that reads first and writes
        later could only fail when another writer came in between. One that is not `durable` does
        not wait for the disk: a power cut may undo it, and all such that came after it, but never
        what was durable when it began.
        """
        with (
            self._turn(),
            self._transaction(connection, "READ COMMITTED", "BEGIN IMMEDIATE", durable) as begun,
        ):
            if not durable and not self.is_sqlite:
                begun.exec_driver_sql("SET LOCAL synchronous_commit = off")
            yield begun

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let this process's threads write to SQLite in turn.

        SQLite's own waiting is to look again after a while, longer each time, and who looks at the
        wrong moments waits for long.
        """
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(timeout=self._lock_seconds_max):
            raise DatabaseBusy(url=self, reason="another thread writes to it")
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
        with (
            self._translating(),
            self.engine.connect() if connection is None else nullcontext(connection) as held,
        ):
            if self.is_sqlite:
                held.execution_options(sqlite_begin=sqlite_begin, sqlite_durable=durable)
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
        except (DBAPIError, NoneFree, driver_error) as error:
            told = failures.told(self, error)
            if told is None:
                raise
            raise told from error


def _duplicate(connection: Any) -> int:
    return os.dup(connection.fileno())
