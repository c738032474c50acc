"""The connection to the database: how it is opened, and how a transaction reads or writes."""

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
from sqlalchemy.exc import TimeoutError as NoneFree

from projector.errors import (
    BadDatabaseUrl,
    DatabaseBusy,
    DatabaseUnreachable,
    ProjectorError,
    RightsMissing,
)
from projector.store import dialects

#: psycopg does not know an option of the URL, or not its value.
_BAD_OPTION = re.compile("^(invalid connection option|bad value for [a-z_]+: )")

#: Postgres ended the connection in the middle of a transaction, for it was idle, or took too long;
#: or lets nobody write, as a standby does.
_OF_THE_SERVER = frozenset({"25P03", "25P04", "25006"})

#: How the codes begin of what is broken inside of Postgres, such as a file that cannot grow.
_BROKEN_INSIDE = "XX"


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
        self.url = dialects.parse_url(url)
        # One that its own thread may take again: Ctrl-C may come before it is given back.
        self._writer = RLock()
        self._lock_seconds_max = (
            dialects.BUSY_SECONDS_MAX if lock_seconds_max is None else lock_seconds_max
        )
        self._open: WeakSet[Any] = WeakSet()
        try:
            self.engine = (
                dialects.create_sqlite_engine(self.url, self._lock_seconds_max)
                if self.is_sqlite
                else dialects.create_postgres_engine(self.url, lock_seconds_max, idle_seconds_max)
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
        return dialects.redact(self.url)

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
            told = translate_error(self, error)
            if told is None:
                raise
            raise told from error


def _duplicate(connection: Any) -> int:
    return os.dup(connection.fileno())


def translate_error(url: object, error: Exception) -> ProjectorError | None:
    """The error for an operator; None where the statement is at fault, and so the program."""
    if isinstance(error, NoneFree):
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
    """Whether the database is at fault (gone, full, read-only) and not the statement.

    Both drivers call that OperationalError, or a subclass of it. SQLite's says DatabaseError, and
    no subclass, of a file that is damaged or no database; psycopg's ProgrammingError, that a
    connection cannot be made in this way, and InternalError, that the server ended a transaction
    for its age, takes no writes, or is broken inside.
    """
    code = getattr(cause, "sqlstate", None) or ""
    names = {kind.__name__ for kind in type(cause).__mro__}
    return (
        "OperationalError" in names
        or type(cause) is sqlite3.DatabaseError
        or _BAD_OPTION.search(str(cause)) is not None
        or code in _OF_THE_SERVER
        or code.startswith(_BROKEN_INSIDE)
    )
