"""The direct path writes what the ordinary path writes, and refuses what only that one can."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from projector.envelope import Envelope, Identity, Rejected
from projector.errors import LogHeadBehind
from projector.projections import discover
from projector.runner import runner
from projector.store import append as append_module
from projector.store import bulk, direct_append
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from projector.store.feed_counts import Arrival
from projector.store.stream_cache import StreamCache
from projector.store.tables import feed_hour
from tests.support.databases import wipe
from tests.support.items import RECEIVED_AT, envelope, put, read_log, rejected, streams
from tests.support.suppressions import erase

_TABLES = ("event", "stream", "log_head", "quarantine", "duplicate", "feed_hour", "suppressed")

_ARRIVAL = Arrival(RECEIVED_AT, "live", RECEIVED_AT)

#: A batch with its writer, of which each has a cache of its own; or a customer who is erased.
_Batch = tuple[int, Sequence[Envelope | Rejected] | Identity]

_ENVELOPES = st.builds(
    envelope,
    st.integers(0, 60).map(str),
    customer_id=st.sampled_from([None, "cust_1", "cust_2", "cust_3"]),
    project_id=st.sampled_from(["proj_1", "proj_1", "proj_2"]),
    minute=st.integers(0, 3),
    type=st.sampled_from(["customer.updated"] * 5 + ["customer.created", "customer.sang"]),
    sender=st.sampled_from(["", "distr_1", "wh_1"]),
)
_ITEMS = st.one_of(*[_ENVELOPES] * 9, st.binary(max_size=1).map(rejected))
_ERASED = st.tuples(st.just("proj_1"), st.sampled_from(["cust_1", "cust_2"]))
_APPENDED = st.lists(_ITEMS, min_size=1, max_size=4)
_BATCHES = st.lists(st.tuples(st.integers(0, 1), st.one_of(*[_APPENDED] * 7, _ERASED)), max_size=12)


def _append_all(database: Database, batches: Sequence[_Batch]) -> list[list[Receipt]]:
    """Append batches to an empty log, each by its writer, and erase; return the receipts."""
    wipe(database)
    caches = [StreamCache(), StreamCache()]
    receipts = []
    for writer, batch in batches:
        if isinstance(batch, tuple):
            with database.writing() as connection:
                erase(connection, batch)
        else:
            receipts.append(append(database, batch, received_at=RECEIVED_AT, cache=caches[writer]))
    return receipts


def _erased_before(batches: Sequence[_Batch]) -> Iterator[tuple[Envelope | Rejected, bool]]:
    """Yield each item, and whether its customer, or an event of its id, was erased before it."""
    customers: set[Identity] = set()
    owners: dict[Identity, Identity | None] = {}
    erased: set[Identity] = set()
    for _, batch in batches:
        if isinstance(batch, tuple):
            customers.add(batch)
            erased |= {event for event, owner in owners.items() if owner in customers}
            continue
        for item in batch:
            customer, event = item.identities()
            is_erased = customer in customers or event in erased
            yield item, is_erased
            if event is not None and not is_erased:
                owners.setdefault(event, customer)


def _stored(database: Database) -> dict[str, list[str]]:
    """Return the log and what belongs to it to the byte, as the database itself writes it."""
    what = "*" if database.is_sqlite else "whole::text"
    with database.reading() as connection:
        return {
            name: sorted(
                repr(tuple(row))
                for row in connection.exec_driver_sql(f"SELECT {what} FROM {name} AS whole")
            )
            for name in _TABLES
        }


def _counted(database: Database) -> Counter[tuple[str, str]]:
    """The deliveries in the feeds, by sender and outcome."""
    statement = select(feed_hour.c.sender, feed_hour.c.outcome, feed_hour.c.deliveries)
    counted: Counter[tuple[str, str]] = Counter()
    with database.reading() as connection:
        for sender, outcome, deliveries in connection.execute(statement):
            counted[sender, outcome] += deliveries
    return counted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(batches=_BATCHES)
def test_both_paths_write_the_same_rows_and_give_the_same_receipts(
    database: Database, batches: Sequence[_Batch]
) -> None:
    """Whatever is repeated, contradicted, unreadable, erased or of no customer, by any writer."""
    direct = _append_all(database, batches), _stored(database)
    receipts = [each for batch in direct[0] for each in batch]
    items = list(_erased_before(batches))
    assert _counted(database) == Counter(
        (item.sender if isinstance(item, Envelope) else "", receipt.outcome)
        for (item, _), receipt in zip(items, receipts, strict=True)
    )
    suppressed = [each.outcome is Outcome.SUPPRESSED for each in receipts]
    assert suppressed == [is_erased for _, is_erased in items]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(append_module, "append_directly", lambda *_: None)
        ordinary = _append_all(database, batches), _stored(database)
    assert direct == ordinary


@pytest.fixture
def only_direct(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database to which the ordinary path cannot write."""

    def writing() -> NoReturn:
        raise AssertionError("this is the ordinary path")

    with monkeypatch.context() as patched:
        patched.setattr(database, "writing", writing)
        yield database


def test_new_events_take_the_direct_path(only_direct: Database) -> None:
    """One or several, of known customers, new ones and nobody, in order and late."""
    cache = StreamCache()
    for number in range(3):
        batch = [
            envelope(f"{number}.{each}", customer_id=f"cust_{each}", minute=5 - number)
            for each in range(1 + 10 * number)
        ]
        nobodys = envelope(f"{number}.nobody", customer_id=None)
        append(only_direct, [*batch, nobodys], received_at=RECEIVED_AT, cache=cache)
    assert [each.position for each in read_log(only_direct)] == list(range(1, 37))
    assert sum(each.late for each in read_log(only_direct)) == 1 + 11
    assert _counted(only_direct) == {("", "appended"): 36}


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([envelope("a")], id="an event that is there"),
        pytest.param([envelope("b"), envelope("b")], id="an event twice"),
        pytest.param([envelope("b"), envelope("a", type="customer.created")], id="a conflict"),
        pytest.param([envelope("b"), rejected(b"{")], id="what cannot be read"),
        pytest.param([envelope(str(each)) for each in range(5_001)], id="too many"),
    ],
)
def test_everything_else_is_left_to_the_ordinary_path_and_nothing_is_written(
    database: Database, items: list[Envelope | Rejected]
) -> None:
    """A refusal in the middle of a batch leaves nothing of it."""
    put(database, envelope("a"))
    before = _stored(database)
    tried = direct_append.append_directly(database, items, _ARRIVAL, StreamCache())
    assert tried is None
    assert _stored(database) == before


def test_another_writer_between_the_look_and_the_statement_is_noticed(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head has moved: the plan is made again, and what the other one appended repeats."""
    plan = direct_append._plan
    theirs = [[envelope("theirs", minute=9)], [envelope("both")]]

    def after_another(*arguments: Any) -> Any:
        planned = plan(*arguments)
        if theirs:
            monkeypatch.setattr(direct_append, "_plan", plan)
            put(postgres_database, *theirs.pop(0))
            monkeypatch.setattr(direct_append, "_plan", after_another)
        return planned

    monkeypatch.setattr(direct_append, "_plan", after_another)
    receipts = put(postgres_database, envelope("ours", minute=5), envelope("both"))
    assert [(each.outcome, each.position) for each in receipts] == [
        (Outcome.APPENDED, 3),
        (Outcome.DUPLICATE, 2),
    ]
    assert [(each.event_id, each.late) for each in read_log(postgres_database)] == [
        ("theirs", False), ("both", True), ("ours", True),
    ]  # fmt: skip


def test_a_writer_whose_cache_is_out_of_date_appends_directly_even_so(
    only_direct: Database,
) -> None:
    """It looks again, and sees that its event is late now."""
    one, other = StreamCache(), StreamCache()
    for number, cache in enumerate([one, other, one, other]):
        items = [envelope(str(number), minute=10 - number)]
        append(only_direct, items, received_at=RECEIVED_AT, cache=cache)
    assert [each.late for each in read_log(only_direct)] == [False, True, True, True]
    assert [row[:3] for row in streams(only_direct)] == [(1, "proj_1", "cust_1")]


@pytest.mark.parametrize("column", ["position", "stream_id"])
def test_a_head_behind_the_log_is_reported_and_nothing_is_appended(
    database: Database, column: str
) -> None:
    """Also by a writer that knows all streams, and whose event would fit in."""
    cache = StreamCache()
    append(database, [envelope("a")], received_at=RECEIVED_AT, cache=cache)
    with database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE log_head SET {column} = 0")
    cache.head = cache.head._replace(**{column: 0})
    with pytest.raises(LogHeadBehind):
        append(database, [envelope("b")], received_at=RECEIVED_AT, cache=cache)
    assert [each.event_id for each in read_log(database)] == ["a"]


def test_a_direct_append_waits_for_the_disk(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also on a connection that did not wait the time before."""
    put(database, envelope("a"))
    runner.catch_up(database, discover())
    autocommitting, waits = database.autocommitting, []

    @contextmanager
    def looked_at() -> Iterator[Any]:
        ask = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
        with autocommitting() as driver:
            waits.append(str(driver.execute(ask).fetchone()[0]))
            yield driver

    monkeypatch.setattr(database, "autocommitting", looked_at)
    put(database, envelope("b"))
    assert waits in (["2"], ["on"])


def test_a_connection_that_failed_is_not_used_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is raised in the middle, the transaction is rolled back and the lock is free."""
    with monkeypatch.context() as patched:
        patched.setattr(bulk, "to_sqlite_params", _fail)
        patched.setattr(bulk, "to_postgres_params", _fail)
        with pytest.raises(ZeroDivisionError):
            put(database, envelope("a"))
    assert put(database, envelope("b"))[0].position == 1


def _fail(*_arguments: object) -> None:
    raise ZeroDivisionError
