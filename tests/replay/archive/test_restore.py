"""A log is filled from its archive as it was, and never changed where it has events already."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import select, text

from projector.errors import (
    ArchiveBroken,
    ArchiveForeign,
    DatabaseBusy,
    EventsUnfit,
    NotArchived,
)
from projector.projections import discover
from projector.store import log_restore
from projector.store.append import Outcome
from projector.store.database import Database
from projector.store.tables import feed_hour
from replay import verify
from replay.archive import read, write
from replay.archive import restore as module
from replay.archive.restore import restore
from replay.archive.shelf import Shelf
from tests.replay.archive.conftest import append_ten, log_of
from tests.support.databases import unguarded, wipe
from tests.support.items import RECEIVED_AT, envelope, put, read_log


@pytest.fixture
def archived(log: Database, stored: Shelf) -> Shelf:
    """An archive of ten events, in files of four."""
    write.write(log, stored, until="head", range_events=4)
    return stored


@pytest.mark.parametrize("before", [0, 3, 4, 6, 10])
def test_a_log_gets_back_what_it_lacks(log: Database, archived: Shelf, before: int) -> None:
    expected = log_of(log)
    events = read_log(log)
    wipe(log)
    if before:
        log_restore.append_recorded(log, events[:before])
    done = restore(log, read.read(archived))
    assert (done.before, done.events, done.head, done.last) == (before, 10 - before, 10, 10)
    assert log_of(log) == expected
    # What appends rely on is there: duplicates and late events are seen.
    again = put(
        log,
        envelope("e4", customer_id="cust_1", minute=2, name="Jo\t\n'\"\\N é😀 4"),
        envelope("new"),
    )
    assert [each.outcome for each in again] == [Outcome.DUPLICATE, Outcome.APPENDED]
    assert read_log(log)[-1].late
    assert verify(log, discover(), sample=None).log == ()


def test_what_lies_behind_the_archive_stays(log: Database, archived: Shelf) -> None:
    append_ten(log, 10)
    expected = log_of(log)
    done = restore(log, read.read(archived))
    assert (done.events, done.head) == (0, 20)
    assert log_of(log) == expected


@pytest.mark.parametrize("position", [1, 2, 5, 6])
def test_a_log_with_another_event_is_left_as_it_is(
    log: Database, archived: Shelf, position: int
) -> None:
    events = read_log(log)
    wipe(log)
    log_restore.append_recorded(log, events[:6])
    with log.writing() as connection, unguarded(connection):
        connection.execute(text(f"UPDATE event SET body = '{{}}' WHERE position = {position}"))
    before = log_of(log)
    with pytest.raises(ArchiveForeign):
        restore(log, read.read(archived))
    assert log_of(log) == before


def test_a_restore_that_was_interrupted_goes_on(
    log: Database, archived: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = log_of(log)
    wipe(log)
    calls = []

    def fail_at_the_third(database: Database, events: Any, erasures: Any) -> None:
        calls.append(events)
        if len(calls) == 3:
            raise KeyboardInterrupt
        log_restore.append_recorded(database, events, erasures)

    with monkeypatch.context() as patched:
        patched.setattr(module, "append_recorded", fail_at_the_third)
        with pytest.raises(KeyboardInterrupt):
            restore(log, read.read(archived))
    assert len(read_log(log)) == 8
    assert restore(log, read.read(archived)).events == 2
    assert log_of(log) == expected


def test_another_writer_meanwhile_is_noticed(
    log: Database, archived: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    wipe(log)

    def after_another(database: Database, events: Any, erasures: Any) -> None:
        put(log, envelope("theirs"))
        log_restore.append_recorded(database, events, erasures)

    monkeypatch.setattr(module, "append_recorded", after_another)
    with pytest.raises(DatabaseBusy, match="moved the log to position 1"):
        restore(log, read.read(archived))
    assert len(read_log(log)) == 1


def test_a_file_that_was_changed_is_not_restored(
    log: Database, archived: Shelf, folder: Any
) -> None:
    wipe(log)
    path = folder / read.read(archived).files[1].name
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(ArchiveBroken, match="SHA-256"):
        restore(log, read.read(archived))
    assert len(read_log(log)) == 4


@pytest.mark.parametrize("many", [False, True], ids=["few", "many"])
def test_events_that_contradict_the_log_are_refused(log: Database, many: bool) -> None:
    """An id twice, or a stream that is not the next one; also by COPY, which takes many."""
    events = read_log(log)
    wipe(log)
    more = [replace(events[0], position=number, event_id=f"m{number}") for number in range(11, 400)]
    events += more if many else []
    for changed in (
        [*events[:-1], replace(events[-1], event_id="e0", project_id="proj_1")],
        [events[0], replace(events[1], stream_id=2), *events[2:]],
        [events[0], replace(events[1], customer_id=None), *events[2:]],
    ):
        with pytest.raises(EventsUnfit):
            log_restore.append_recorded(log, changed)
        assert read_log(log) == []


def test_restored_events_are_counted_as_earlier_ones(log: Database, archived: Shelf) -> None:
    wipe(log)
    restore(log, read.read(archived))
    with log.reading() as connection:
        [row] = connection.execute(select(feed_hour)).mappings().all()
    assert (row["channel"], row["outcome"], row["sender"]) == ("earlier", "appended", "")
    assert (row["deliveries"], row["late_10s"], row["last_at"]) == (10, 0, RECEIVED_AT)
    assert row["hour"] == datetime(2025, 1, 1, 12, tzinfo=UTC)


def test_without_an_archive_nothing_is_restored(log: Database, stored: Shelf) -> None:
    with pytest.raises(NotArchived):
        restore(log, read.read(stored))
