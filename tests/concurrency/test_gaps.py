"""A reader that has seen position N has seen everything up to N, whatever the writers do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from sqlalchemy import Connection

from projector.store.database import Database
from tests.concurrency.logs import Log, ProjectorLog, SequenceLog, ended, follow, write
from tests.support.items import envelope, put, read_log, rejected

_WRITERS = 4
_READERS = 2
_BATCHES = 25

#: What a reader saw, in its order: positions and ids.
Seen = list[tuple[int, str]]


def _run(make: Callable[[str], Log], url: str, end: Path) -> tuple[int, list[Seen]]:
    """Let writers and readers loose at the same time; how much was written, and what was seen."""
    # Each a new process: connections and locks of this one must not come along.
    with ProcessPoolExecutor(_WRITERS + _READERS, mp_context=get_context("spawn")) as pool:
        with ended(end):
            readers = [pool.submit(follow, make, url, f"r{each}", end) for each in range(_READERS)]
            writers = [
                pool.submit(write, make, url, f"w{each}", _BATCHES) for each in range(_WRITERS)
            ]
            written = sum(each.result() for each in writers)
        return written, [each.result() for each in readers]


def test_readers_see_every_event_in_order_and_no_hole_while_writers_race(
    migrated_postgres_url: str, tmp_path: Path
) -> None:
    with closing(Database(migrated_postgres_url)) as database:
        written, readers = _run(ProjectorLog, migrated_postgres_url, tmp_path / "end")
        events = read_log(database)
    assert [each.position for each in events] == list(range(1, written + 1))
    assert len({each.event_id for each in events}) == written
    for seen in readers:
        assert seen == [(each.position, each.event_id) for each in events]


def test_with_a_plain_sequence_the_same_readers_miss_events(
    postgres_url: str, tmp_path: Path
) -> None:
    """The test above would notice if positions came from a sequence: here they do."""
    with psycopg.connect(postgres_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(SequenceLog.CREATE)
        written, readers = _run(SequenceLog, postgres_url, tmp_path / "end")
        last = connection.execute("SELECT max(position) FROM plain").fetchone()
    assert last is not None
    assert last[0] > written, "what was rolled back left holes"
    for seen in readers:
        assert len(seen) < written, "an event that was committed behind the reader is never seen"


def test_the_second_of_two_writers_waits_for_the_commit_of_the_first(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writer is stopped just before its commit: the other must not pass it."""
    with (
        closing(Database(migrated_postgres_url)) as one,
        closing(Database(migrated_postgres_url)) as other,
    ):
        second = Thread(target=put, args=(other, envelope("second")))
        writing = one.writing

        @contextmanager
        def stopped_before_the_commit() -> Iterator[Connection]:
            with writing() as connection:
                yield connection
                second.start()
                second.join(0.3)
                assert second.is_alive(), "it waits for the head"
                assert read_log(other) == [], "nobody sees what is not committed"

        monkeypatch.setattr(one, "writing", stopped_before_the_commit)
        # What cannot be read lets the batch take the ordinary path; the direct one is a single
        # statement.
        put(one, envelope("first"), rejected(b"{"))
        second.join(10)
        assert [(each.position, each.event_id) for each in read_log(one)] == [
            (1, "first"),
            (2, "second"),
        ]
