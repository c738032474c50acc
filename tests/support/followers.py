"""Followers in threads, at a pace that tests can wait for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from projector.runner.follower import Follower, Intervals
from projector.runner.lease_monitor import JOB
from projector.store import lease
from projector.store.database import Database
from projector.store.lease import Lease

#: All is twenty times as quick as it is for users, but for how long a silence may last.
QUICK = Intervals(
    heartbeat_seconds=0.1, lease_seconds=1.0, poll_seconds=0.05, retry_seconds_max=0.2
)

_WAIT_SECONDS_MAX = 30


@contextmanager
def following(follower: Follower) -> Iterator[Event]:
    """A follower that goes on until the block ends, or until the event that it gets is set."""
    stop = Event()
    thread = threading.Thread(target=follower.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(_WAIT_SECONDS_MAX)
        assert not thread.is_alive()


def found(database: Database) -> Lease:
    """The lease of those who follow."""
    with database.reading() as connection:
        return lease.read(connection, JOB)
