"""Whether what a server says of its health is true, looked at all along."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from attrs import define, field, frozen

from projector.server.positions import read_tables_position
from projector.store.database import Database
from tests.serving.servers import LEASE_SECONDS, Serving
from tests.support.followers import found

#: For how long an answer may be behind the truth, in seconds: a machine may be busy, and a finding
#: counts until the next one.
SLACK_SECONDS = 10.0

_PAUSE_SECONDS = 0.1


@define
class _Since:
    """For how long something has been so without a break."""

    _begun: float | None = None

    def see(self, is_so: bool) -> float:
        """Take note; returns for how many seconds."""
        now = time.monotonic()
        if not is_so:
            self._begun = None
        elif self._begun is None:
            self._begun = now
        return 0.0 if self._begun is None else now - self._begun


@frozen
class Watched:
    """What was seen."""

    #: What was not true, a sentence each.
    lies: list[str] = field(factory=list)
    #: Each answer that differs from the one before.
    said: list[tuple[bool, str | None]] = field(factory=list)


@contextmanager
def watched(server: Serving, database: Database, *, lag_max: int) -> Iterator[Watched]:
    """Compare what a server says with what the database tells, until the block ends."""
    seen, end = Watched(), threading.Event()
    look = _looking(server, database, seen, lag_max)

    def watch() -> None:
        while not end.wait(_PAUSE_SECONDS):
            look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        end.set()
        thread.join()


def _looking(
    server: Serving, database: Database, seen: Watched, lag_max: int
) -> Callable[[], None]:
    lagging, silent, beating, denied = _Since(), _Since(), _Since(), _Since()
    last = found(database)

    def look() -> None:
        nonlocal last
        now = found(database)
        reached = read_tables_position(database)
        lag = reached.head - reached.position
        lagged = lagging.see(lag > lag_max)
        was_silent = silent.see(now == last)
        last = now
        well = beating.see(lag <= lag_max and was_silent < LEASE_SECONDS)
        said = server.readiness()
        if seen.said[-1:] != [(said["ready"], said["reason"])]:
            seen.said.append((said["ready"], said["reason"]))
        if said["ready"] and lagged > SLACK_SECONDS:
            seen.lies.append(f"ready, {lag} events behind for {lagged} seconds")
        if said["ready"] and was_silent > LEASE_SECONDS + SLACK_SECONDS:
            seen.lies.append(f"ready, with no sign of life for {was_silent} seconds")
        if min(denied.see(not said["ready"]), well) > SLACK_SECONDS:
            seen.lies.append(f"not ready for {SLACK_SECONDS} seconds: {said}")

    return look
