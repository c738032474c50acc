"""One writer or several, batches cut here or there, streams remembered or not: one log."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from projector.envelope import Envelope, Rejected
from projector.store import quarantine
from projector.store.append import Outcome, append
from projector.store.database import Database
from projector.store.stream_cache import StreamCache
from tests.support.databases import wipe
from tests.support.items import (
    RECEIVED_AT,
    at,
    envelope,
    put,
    quarantined,
    read_log,
    rejected,
    streams,
)


def test_events_appended_by_another_writer_before_the_lock_are_seen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look into the log is taken before the lock: one that is out of date is taken again.

    What cannot be read lets the batch take the ordinary path.
    """
    writing = database.writing

    @contextmanager
    def after_another() -> Iterator[Connection]:
        monkeypatch.setattr(database, "writing", writing)
        put(
            database,
            envelope("theirs", minute=9),
            envelope("both", customer_id="cust_2"),
            envelope("contested", type="customer.created"),
        )
        with writing() as connection:
            yield connection

    monkeypatch.setattr(database, "writing", after_another)
    receipts = put(
        database,
        envelope("both", customer_id="cust_2"),
        envelope("contested", type="customer.updated"),
        envelope("ours", minute=5),
        envelope("new", customer_id="cust_3"),
        rejected(b"{"),
    )
    assert [(receipt.outcome, receipt.position) for receipt in receipts] == [
        (Outcome.DUPLICATE, 2),
        (Outcome.CONFLICT, 3),
        (Outcome.APPENDED, 4),
        (Outcome.APPENDED, 5),
        (Outcome.QUARANTINED, None),
    ]
    assert [(each.stream_id, each.late) for each in read_log(database)] == [
        (1, False), (2, False), (1, True), (1, True), (3, False),
    ]  # fmt: skip


_ITEMS = st.builds(
    envelope,
    st.sampled_from("abcdefgh"),
    customer_id=st.sampled_from([None, "cust_1", "cust_2"]),
    project_id=st.sampled_from(["proj_1", "proj_2"]),
    minute=st.integers(0, 3),
    name=st.sampled_from(["Alex", "Berta"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(items=st.lists(_ITEMS, max_size=20), cuts=st.sets(st.integers(1, 19)))
def test_how_deliveries_are_cut_into_batches_makes_no_difference(
    database: Database, items: Sequence[Envelope], cuts: set[int]
) -> None:
    wipe(database)
    whole = put(database, *items), read_log(database), streams(database), _kept(database)
    wipe(database)
    bounds = [0, *sorted(cuts), len(items)]
    batches = [items[begin:end] for begin, end in itertools.pairwise(bounds) if begin < end]
    receipts = [receipt for batch in batches for receipt in put(database, *batch)]
    assert (receipts, read_log(database), streams(database), _kept(database)) == whole


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(batches=st.lists(st.tuples(st.integers(0, 2), st.lists(_ITEMS, max_size=5)), max_size=8))
def test_writers_that_remember_streams_append_like_one_that_does_not(
    database: Database, batches: Sequence[tuple[int, Sequence[Envelope]]]
) -> None:
    """What one remembers is wrong as soon as another one appends."""
    wipe(database)
    alone = [put(database, *batch) for _, batch in batches], read_log(database), streams(database)
    wipe(database)
    caches = [StreamCache(), StreamCache(), None]
    several = [
        append(database, batch, received_at=RECEIVED_AT, cache=caches[who])
        for who, batch in batches
    ]
    assert (several, read_log(database), streams(database)) == alone


def test_a_writer_that_remembers_streams_forgets_what_was_rolled_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = StreamCache()
    items: list[Envelope | Rejected] = [envelope("a", minute=5), rejected(b"{")]
    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "add", _fail)
        with pytest.raises(ZeroDivisionError):
            append(database, items, received_at=RECEIVED_AT, cache=cache)
    append(database, [envelope("b", minute=1)], received_at=RECEIVED_AT, cache=cache)
    assert [(each.position, each.stream_id, each.late) for each in read_log(database)] == [
        (1, 1, False)
    ]
    assert streams(database) == [(1, "proj_1", "cust_1", at(1), "b")]


def _kept(database: Database) -> list[bytes]:
    return [each["body"] for each in quarantined(database)]


def _fail(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError
