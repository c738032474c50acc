"""Two logs with many writers and readers: the program's, and a plain table with a sequence.

A writer is a process: it appends batches of random sizes, waits at random before it commits, and
sometimes gives up at that point. A reader is a process that follows the log from its last position.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
from sqlalchemy import event as listening

from projector.store import log
from projector.store.append import append
from projector.store.database import Database
from tests.support.items import RECEIVED_AT, envelope, rejected

_COMMIT_SECONDS_MAX = 0.03
_READ_MAX = 40
_WAIT_SECONDS_MAX = 120


class GivenUp(Exception):
    """A writer failed on purpose just before it would have committed."""


class Log(Protocol):
    """What the harness needs of a log."""

    def append(self, ids: list[str], before_commit: Callable[[], None]) -> None:
        """Append events in one transaction; `before_commit` may wait or raise."""

    def read(self, after: int, limit: int) -> list[tuple[int, str]]:
        """The next events behind a position, as position and id."""


class ProjectorLog:
    """The event log of the program."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._before_commit: Callable[[], None] = lambda: None
        listening.listen(self._database.engine, "commit", lambda _: self._before_commit())

    def append(self, ids: list[str], before_commit: Callable[[], None]) -> None:
        self._before_commit = before_commit
        items = [envelope(each, customer_id=f"cust_{len(each)}") for each in ids]
        # What cannot be read lets a batch take the ordinary path, in which it may wait and give up.
        unreadable = [rejected(b"{")] if len(ids) % 2 else []
        append(self._database, [*items, *unreadable], received_at=RECEIVED_AT)

    def read(self, after: int, limit: int) -> list[tuple[int, str]]:
        with self._database.reading() as connection:
            found = log.read(connection, after=after, until=2**62, limit=limit)
        return [(each.position, each.event_id) for each in found]


class SequenceLog:
    """What everybody builds first."""

    CREATE = "CREATE TABLE plain (position bigserial PRIMARY KEY, event_id text NOT NULL)"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)

    def append(self, ids: list[str], before_commit: Callable[[], None]) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO plain (event_id) VALUES (%s)", [[each] for each in ids])
            before_commit()

    def read(self, after: int, limit: int) -> list[tuple[int, str]]:
        return self._connection.execute(
            "SELECT position, event_id FROM plain WHERE position > %s ORDER BY position LIMIT %s",
            [after, limit],
        ).fetchall()


def write(make: Callable[[str], Log], url: str, name: str, batches: int) -> int:
    """Append batches, the first try of the first one in vain; returns how many events it was."""
    chance = random.Random(name)
    log = make(url)
    written = 0
    for number in range(batches):
        ids = [f"{name}.{number}.{index}" for index in range(chance.randint(1, 12))]
        give_up = number == 0 or chance.random() < 0.3
        while not _try(log, ids, chance, give_up=give_up):
            give_up = False
        written += len(ids)
        time.sleep(chance.uniform(0, _COMMIT_SECONDS_MAX / 2))
    return written


def _try(log: Log, ids: list[str], chance: random.Random, *, give_up: bool) -> bool:
    def before_commit() -> None:
        time.sleep(chance.uniform(0, _COMMIT_SECONDS_MAX))
        if give_up:
            raise GivenUp

    try:
        log.append(ids, before_commit)
    except GivenUp:
        return False
    return True


def follow(make: Callable[[str], Log], url: str, name: str, end: Path) -> list[tuple[int, str]]:
    """Read on from the last position seen until the file `end` is there and no more comes."""
    chance = random.Random(name)
    log = make(url)
    seen: list[tuple[int, str]] = []
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while time.monotonic() < deadline:
        ended = end.exists()
        more = log.read(seen[-1][0] if seen else 0, chance.randint(1, _READ_MAX))
        seen += more
        if ended and not more:
            break
        time.sleep(chance.uniform(0, 0.005))
    return seen


@contextmanager
def ended(end: Path) -> Iterator[None]:
    """Tell the readers when the block has ended, however it ends."""
    try:
        yield
    finally:
        end.touch()
