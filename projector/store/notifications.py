"""Who waits for events is woken when some come in.

Postgres tells all processes when a transaction commits. SQLite tells nobody: there a thread of the
same process may ring, and others look by themselves. Nobody must rely on being woken, for a
connection that is lost, or goes through a pooler, tells nothing.
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

#: No wait is longer, in seconds: nothing that happens in this process ends one on Postgres.
WAIT_SECONDS_MAX = 0.5


class Listener(Protocol):
    """Hears of events from the moment on at which it was made."""

    def wait(self, seconds: float) -> None:
        """Wait until something came in since the last wait, or for so long at the most."""


def notify(connection: Connection) -> None:
    """Wake all listeners of the database once this transaction is committed."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("NOTIFY projector")


@contextmanager
def listen(database: Database, bell: Event) -> Iterator[Listener]:
    """A listener; on SQLite it hears the bell of this process, and nothing else."""
    if database.is_sqlite:
        yield _EventListener(bell)
        return
    with database.outside_of_transactions() as connection:
        connection.execute("LISTEN projector")
        yield _PostgresListener(connection)


@frozen
class _EventListener:
    bell: Event

    def wait(self, seconds: float) -> None:
        self.bell.wait(min(seconds, WAIT_SECONDS_MAX))
        # Whoever rings from now on did so after what the caller is going to look at.
        self.bell.clear()


@frozen
class _PostgresListener:
    #: The driver's; Postgres keeps for it what comes while nobody waits.
    connection: Any

    def wait(self, seconds: float) -> None:
        # The driver would wake up ten times a second to look for signals.
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        if poll.poll(min(seconds, WAIT_SECONDS_MAX) * 1000):
            for _ in self.connection.notifies(timeout=0):
                pass
