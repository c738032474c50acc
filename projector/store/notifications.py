"""Notifies listeners of new events in the log.

Postgres notifies all processes when a transaction commits (LISTEN/NOTIFY). SQLite has no such
thing, and a connection through a pooler of transactions delivers nothing: there a thread of the
same process sets an event, and other processes poll. A listener must poll in any case, because a
connection may be lost.
"""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, Protocol

from attrs import frozen
from sqlalchemy import Connection

from projector.store.database import Database

#: The longest wait, in seconds: on Postgres nothing in this process, such as a shutdown, ends one.
WAIT_SECONDS_MAX = 0.5

#: The longest wait behind a pooler, where only polling shows events of other processes, in seconds.
POLL_SECONDS_MAX = 0.2


class Listener(Protocol):
    """A listener for new events, from its creation on."""

    def wait(self, seconds: float) -> None:
        """Wait for events since the last wait, `seconds` or WAIT_SECONDS_MAX at the most."""


def notify(connection: Connection) -> None:
    """Notify all listeners of the database once this transaction is committed; Postgres only."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("NOTIFY projector")


@contextmanager
def listen(database: Database, bell: Event) -> Iterator[Listener]:
    """Yield a listener; without LISTEN it waits for the `bell` of this process only."""
    if database.is_sqlite:
        yield _EventListener(bell, WAIT_SECONDS_MAX)
        return
    if database.is_pooled:
        yield _EventListener(bell, POLL_SECONDS_MAX)
        return
    with database.outside_of_transactions() as connection:
        connection.execute("LISTEN projector")
        yield _PostgresListener(connection)


@frozen
class _EventListener:
    bell: Event
    #: The longest wait.
    seconds_max: float

    def wait(self, seconds: float) -> None:
        self.bell.wait(min(seconds, self.seconds_max))
        # Clear before the caller reads the log: events that are appended later set it again.
        self.bell.clear()


@frozen
class _PostgresListener:
    #: The driver's connection, which buffers notifications between two waits.
    connection: Any

    def wait(self, seconds: float) -> None:
        # The driver's own wait would wake up ten times a second to check for signals.
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        if poll.poll(min(seconds, WAIT_SECONDS_MAX) * 1000):
            for _ in self.connection.notifies(timeout=0):
                pass
