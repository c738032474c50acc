"""A delivery that repeats an event says nothing new: it is counted, and nothing else changes."""

import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from projector.envelope import Envelope, Rejected
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import duplicates
from projector.store.append import Outcome, append
from projector.store.database import Database
from projector.store.duplicates import Duplicates
from tests.support.databases import positions, rows, wipe
from tests.support.items import RECEIVED_AT, envelope, read_log, rejected, streams


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


def on_day(day: int) -> datetime:
    return RECEIVED_AT + timedelta(days=day, microseconds=1)


def come(database: Database, *event_ids: str, day: int = 0) -> None:
    append(database, [envelope(each) for each in event_ids], received_at=on_day(day))


def repeated(database: Database) -> list[Duplicates]:
    with database.reading() as connection:
        found = duplicates.find(connection, [each.position for each in read_log(database)])
    assert all(position == each.position for position, each in found.items())
    return [found[position] for position in sorted(found)]


def test_an_event_delivered_once_has_no_repetitions(database: Database) -> None:
    come(database, "a", "b")
    assert repeated(database) == []


def test_repetitions_are_counted_in_the_batch_of_the_first_delivery_too(
    database: Database,
) -> None:
    come(database, "a", "b", "a", "c", "a", "b")
    assert repeated(database) == [Duplicates(1, 2, on_day(0)), Duplicates(2, 1, on_day(0))]


def test_repetitions_are_counted_over_batches_with_the_last_arrival(database: Database) -> None:
    come(database, "a", "b", "c")
    come(database, "a", "b", "a", day=1)
    come(database, "c", "a", day=2)
    come(database, "d", day=3)
    assert repeated(database) == [
        Duplicates(1, 3, on_day(2)),
        Duplicates(2, 1, on_day(1)),
        Duplicates(3, 1, on_day(2)),
    ]


def test_the_last_arrival_never_goes_back(database: Database) -> None:
    """What waited in the quarantine is appended as of the day on which it came."""
    come(database, "a", "b", day=1)
    come(database, "a", day=5)
    come(database, "a", "b", day=3)
    assert repeated(database) == [Duplicates(1, 2, on_day(5)), Duplicates(2, 1, on_day(3))]


def test_a_repetition_in_another_shape_is_one_too(database: Database) -> None:
    webhook, entry = envelope("a"), envelope("a", source="activity")
    append(database, [webhook, entry], received_at=on_day(0))
    assert repeated(database) == [Duplicates(1, 1, on_day(0))]


def test_conflicts_and_unreadable_deliveries_are_not_counted_as_repetitions(
    database: Database,
) -> None:
    other = envelope("a", minute=1)
    items: list[Envelope | Rejected] = [envelope("a"), other, other, *[rejected(b"{")] * 2]
    for _ in range(2):
        append(database, items, received_at=on_day(0))
    assert repeated(database) == [Duplicates(1, 1, on_day(0))]


def test_an_id_in_another_project_repeats_nothing(database: Database) -> None:
    items = [envelope("a"), envelope("a", project_id="proj_2")]
    append(database, items, received_at=on_day(0))
    come(database, "a", day=1)
    assert repeated(database) == [Duplicates(1, 1, on_day(1))]


def test_a_batch_that_fails_counts_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    come(database, "a")
    with monkeypatch.context() as patched:
        patched.setattr(duplicates, "add", _add_and_fail)
        with pytest.raises(ZeroDivisionError):
            come(database, "a", "b")
    assert repeated(database) == []
    assert len(read_log(database)) == 1


_add = duplicates.add


def _add_and_fail(*arguments: object, **named: object) -> None:
    _add(*arguments, **named)  # type: ignore[arg-type]
    raise ZeroDivisionError


def test_each_of_many_repeated_events_is_counted(database: Database) -> None:
    event_ids = [str(number) for number in range(2000)]
    come(database, *event_ids)
    come(database, *event_ids, day=1)
    come(database, *event_ids[::2], day=2)
    assert repeated(database) == [
        Duplicates(position, 2, on_day(2)) if position % 2 else Duplicates(position, 1, on_day(1))
        for position in range(1, 2001)
    ]


def test_writers_at_the_same_time_miss_none(database: Database, shared_url: str) -> None:
    def write(number: int) -> None:
        with closing(Database(shared_url)) as other:
            for _ in range(10):
                come(other, "a", "b", "a", day=number)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert repeated(database) == [Duplicates(1, 79, on_day(3)), Duplicates(2, 39, on_day(3))]


@given(data=st.data())
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_repetitions_change_neither_the_log_nor_the_tables(
    database: Database, data: st.DataObject
) -> None:
    ids = st.sampled_from("abcdef")
    coming = data.draw(st.lists(st.lists(ids, min_size=1, max_size=6), min_size=1, max_size=6))
    wipe(database)
    firsts = _in_batches(database, coming, once=True)
    without = _state(database)
    wipe(database)
    assert _in_batches(database, coming, once=False) == firsts
    assert _state(database) == without
    counts = {each.position: each.count for each in repeated(database)}
    every = [each for batch in coming for each in batch]
    assert counts == {
        position: every.count(event_id) - 1
        for position, event_id in enumerate(firsts, 1)
        if every.count(event_id) > 1
    }


def _in_batches(database: Database, coming: Sequence[Sequence[str]], *, once: bool) -> list[str]:
    """Append deliveries, with or without those that repeat one; gives what was appended."""
    appended: list[str] = []
    for batch in coming:
        items: list[Envelope] = []
        for event_id in batch:
            if not (once and event_id in {*appended, *(each.event_id for each in items)}):
                # The order of the ids is that of time for some of them only: some come late.
                items.append(envelope(event_id, minute=ord(event_id) % 3, name=event_id))
        receipts = append(database, items, received_at=RECEIVED_AT)
        appended += [
            item.event_id
            for item, receipt in zip(items, receipts, strict=True)
            if receipt.outcome == Outcome.APPENDED
        ]
        catch_up(database, discover())
    return appended


def _state(database: Database) -> object:
    return read_log(database), streams(database), rows(database), positions(database)
