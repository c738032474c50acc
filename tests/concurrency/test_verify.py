"""verify looks at one snapshot: whoever writes meanwhile is neither seen by it nor kept waiting."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from projector.projections import discover
from projector.store import log
from projector.store.database import Database
from replay import verify
from tests.support.command import environment

#: Ingests and projects one small batch after another, one event in five late, until it is killed.
_WRITES = """
import json, sys
from datetime import UTC, datetime, timedelta
from projector import open_projector
from tests.support.given import created, entered, left
begin = datetime(2024, 3, 1, tzinfo=UTC)
with open_projector(sys.argv[1]) as projector:
    print("ready", flush=True)
    for number in range(10**9):
        lines = []
        for each in range(number * 20, number * 20 + 20):
            who, where = f"cust_{each % 31}", f"seg_{each % 3}"
            at = (begin + timedelta(minutes=each - (each % 5 == 4) * 300)).isoformat()
            build = [entered, left][each // 31 % 2]
            event = created(who, at=at) if each % 7 == 0 else build(who, where, at=at)
            lines.append(json.dumps(event).encode())
        projector.ingest([b"\\n".join(lines)])
        projector.catch_up()
"""
_WAIT_SECONDS_MAX = 60


@contextmanager
def _writer(url: str) -> Iterator[None]:
    """Another process that writes without end."""
    with subprocess.Popen(
        [sys.executable, "-c", _WRITES, url], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield
            assert process.poll() is None, "the writer ended of its own accord"
        finally:
            process.kill()


def _head(database: Database) -> int:
    with database.reading() as connection:
        return log.head(connection)


def _until_beyond(database: Database, head: int) -> int:
    """Wait until the log has gone on from a head."""
    deadline = time.monotonic() + _WAIT_SECONDS_MAX
    while _head(database) <= head:
        if time.monotonic() > deadline:
            pytest.fail(f"nobody wrote in {_WAIT_SECONDS_MAX} seconds")
        time.sleep(0.005)
    return _head(database)


def test_verify_never_sees_a_difference_while_others_write(migrated_url: str) -> None:
    with closing(Database(migrated_url)) as database, _writer(migrated_url):
        heads, began = [0], time.monotonic()
        while len(heads) < 12 or time.monotonic() < began + 1:
            found = verify(database, discover())
            assert found.is_right, found
            heads.append(_until_beyond(database, heads[-1]))
    assert heads == sorted(set(heads))


def test_a_writer_does_not_wait_for_verify(migrated_url: str) -> None:
    with (
        closing(Database(migrated_url)) as database,
        closing(Database(migrated_url)) as beside,
        _writer(migrated_url),
    ):
        seen = [_until_beyond(beside, 0)]

        def wait(_done: int, _total: int) -> None:
            # Several transactions of the writer's, in the middle of the one that compares.
            for _ in range(5):
                seen.append(_until_beyond(beside, seen[-1]))

        found = verify(database, discover(), on_piece=wait)
        assert len(seen) >= 6
        assert found.is_right
        assert {each.position for each in found.projections} < set(range(seen[-1]))
