"""Hands out connections of the driver in autocommit mode: kept ones for SELECTs, and for writing.

To take a connection out of SQLAlchemy's pool and to return it takes longer than a short SELECT. So
these stay taken out, in autocommit mode, as long as nothing goes wrong. In every other way they are
connections of the pool: set up as all others are, and counted by its limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from attrs import frozen
from sqlalchemy import Engine, PoolProxiedConnection

from projector.store import postgres, sqlite

#: The number of idle connections that are kept, as many as the pool keeps itself. More threads may
#: select at the same time, as far as the pool has connections for them.
KEPT_MAX = 5

#: Connections of a process that forked this one. They are never closed here, nor collected as
#: garbage: that would end the session of the other process.
_inherited: list[object] = []


@frozen(eq=False)
class _Kept:
    """A connection that is taken out of the pool."""

    pooled: PoolProxiedConnection
    driver: Any
    #: A cursor of the driver, for all statements.
    cursor: Any


class KeptConnections:
    """The kept connections of an engine; each is used by one thread at a time. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._process = os.getpid()
        # A list, because its methods `append` and `pop` are atomic.
        self._idle: list[_Kept] = []

    def select(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]] | None:
        """Return the rows of a SELECT; None behind a connection pooler, with nothing sent.

        Raises the errors of the driver and of SQLAlchemy's pool; the connection is then closed.
        """
        idle = self._idle_here()
        kept = self._take(idle)
        if kept is None:
            return None
        try:
            rows: list[tuple[Any, ...]] = kept.cursor.execute(statement, parameters).fetchall()
        except BaseException:
            kept.pooled.invalidate()
            raise
        if idle is self._idle and len(idle) < KEPT_MAX:
            idle.append(kept)
        else:
            self._return_to_pool(kept)
        return rows

    def close(self) -> None:
        """Close the idle connections; those in use go back to the pool after their statement."""
        idle = self._idle_here()
        self._idle = []
        for kept in idle:
            kept.pooled.invalidate()

    def _idle_here(self) -> list[_Kept]:
        """Return the idle connections that this process has opened."""
        process = os.getpid()
        if self._process != process:
            _inherited.append(self._idle)
            self._idle, self._process = [], process
        return self._idle

    def _take(self, idle: list[_Kept]) -> _Kept | None:
        # Another thread may take the last one between the two steps.
        with suppress(IndexError):
            while idle:
                kept = idle.pop()
                if self._is_sqlite or not postgres.is_lost(kept.driver):
                    return kept
                kept.pooled.invalidate()
        return self._take_from_pool()

    def _take_from_pool(self) -> _Kept | None:
        pooled = self._engine.raw_connection()
        driver: Any = pooled.driver_connection
        if not self._is_sqlite:
            if postgres.is_pooled(pooled):
                pooled.close()
                return None
            driver.autocommit = True
        return _Kept(pooled, driver, driver.cursor())

    def _return_to_pool(self, kept: _Kept) -> None:
        if not self._is_sqlite:
            kept.driver.autocommit = False
        kept.pooled.close()


@contextmanager
def autocommitting(engine: Engine, url: object, *, durable: bool) -> Iterator[Any]:
    """Yield a connection of the driver for writing, in autocommit mode; None behind a pooler.

    After an error it is closed, which rolls an open transaction back. Raises EncodingUnsuitable.
    """
    pooled = engine.raw_connection()
    driver: Any = pooled.driver_connection
    try:
        if engine.dialect.name == "sqlite":
            sqlite.prepare(driver, pooled.info, durable=durable, writes=True)
            yield driver
        elif postgres.is_pooled(pooled):
            yield None
        else:
            postgres.require_utf8(pooled, url)
            driver.autocommit = True
            yield driver
            driver.autocommit = False
    except BaseException as error:
        pooled.invalidate(error)
        raise
    finally:
        pooled.close()
