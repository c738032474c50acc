"""What was erased does not come in again, whatever it looks like; everything else does."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from threading import Event, Thread
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import func, select, text

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.store import append as append_module
from projector.store import direct_append
from projector.store.append import Outcome, Receipt, append
from projector.store.database import Database
from projector.store.erasure import suppression
from projector.store.quarantine import to_item
from projector.store.stream_cache import StreamCache
from projector.store.tables import feed_hour
from tests.support import shapes
from tests.support.databases import url_of
from tests.support.items import (
    RECEIVED_AT,
    envelope,
    put,
    quarantined,
    read_log,
    rejected,
    streams,
)
from tests.support.suppressions import KEY, allow, erase

_HOME = DeliveryDefaults(project_id="proj_1")
_BARE = DeliveryDefaults(
    project_id="proj_1", type="customer.segment.entered", occurred_at=shapes.HAPPENED_AT
)
_CUSTOMER = ("proj_1", "cust_1")

Item = Envelope | Rejected


@pytest.fixture(params=["kept", "looked up"])
def list_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a list that is in memory, and with one that is too long for it."""
    if request.param == "looked up":
        monkeypatch.setattr(suppression, "DIGESTS_MAX", 0)


@pytest.fixture(params=["direct", "ordinary"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """On the direct path where it can be taken, and on the ordinary one."""
    if request.param == "ordinary":
        monkeypatch.setattr(append_module, "append_directly", lambda *_: None)
    return str(request.param)


def _outcomes(receipts: Sequence[Receipt]) -> list[str]:
    return [str(each.outcome) for each in receipts]


def _kept(database: Database) -> list[Any]:
    """All that a delivery may leave, but for the counts of its feed."""
    with database.reading() as connection:
        names = ("duplicate", "activity", "dead_letter", "log_head")
        others = [connection.execute(text(f"SELECT * FROM {name}")).all() for name in names]
    return [read_log(database), streams(database), quarantined(database), others]


def _counted(database: Database) -> dict[str, int]:
    statement = select(feed_hour.c.outcome, func.sum(feed_hour.c.deliveries)).group_by("outcome")
    with database.reading() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(statement)}


def _read(body: Any, given: DeliveryDefaults = _HOME) -> Callable[[], list[Item]]:
    return lambda: shapes.read_all(body, given)


_NO_CUSTOMER = shapes.segment_data(customer=shapes.ABSENT)
_BROKEN = b'{"id":"whs_1","event":{"id":"evcus_1"'

DELIVERIES: dict[str, Callable[[], list[Item]]] = {
    "a webhook": _read(shapes.distribution()),
    "a webhook with an offer": _read(shapes.distribution(data=shapes.offer_data())),
    "an entry of activity": _read(shapes.activity()),
    "an entry without a customer": _read(shapes.activity(data={"data": _NO_CUSTOMER})),
    "a webhook without a customer": _read(
        shapes.distribution(data=_NO_CUSTOMER, event=shapes.event_part(entity_id=None))
    ),
    "the event in the name of another customer": _read(
        shapes.minimal(data=shapes.segment_data(customer={"id": "cust_2"}))
    ),
    "another event of the customer": _read(shapes.minimal(id="evcus_9")),
    "bare facts": _read(shapes.segment_data(), _BARE),
    "bare facts of another time": _read(
        shapes.segment_data(), evolve(_BARE, occurred_at=RECEIVED_AT)
    ),
    "broken": _read(_BROKEN),
    "the event with an unreadable time": _read(shapes.minimal(created_at="yesterday")),
    "another event of the customer, with an unreadable time": _read(
        shapes.minimal(id="evcus_9", created_at="soon")
    ),
    "unreadable, but fetched for the customer": _read(
        shapes.activity(id=["evcus_9"]), DeliveryDefaults(project_id="proj_1", customer_id="cust_1")
    ),
    "a page of several": _read(
        shapes.page(shapes.activity(), shapes.activity(id="evcus_2"), shapes.activity(id="evcus_8"))
    ),
}


@pytest.fixture
def erased(database: Database) -> Database:
    """A log whose only customer was erased, after a broken delivery had named her."""
    items = [
        *shapes.read_all(shapes.distribution()),
        *shapes.read_all(shapes.activity(id="evcus_2"), _HOME),
    ]
    [broken] = shapes.read_all(_BROKEN, _HOME)
    assert isinstance(broken, Rejected)
    put(database, *items, broken)
    with database.writing() as connection:
        erase(connection, _CUSTOMER, bodies=[to_item(broken).digest])
        # As the erasure leaves it.
        connection.execute(text("DELETE FROM quarantine"))
    return database


@pytest.mark.usefixtures("list_kind")
def test_nothing_is_kept_of_a_delivery_that_comes_again(
    erased: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """In whatever shape; it is only counted."""
    caplog.set_level(logging.DEBUG)
    before, counted, cache, total = _kept(erased), _counted(erased), StreamCache(), 0
    for name, delivery in DELIVERIES.items():
        items = delivery()
        for _ in range(2):
            receipts = append(erased, items, received_at=RECEIVED_AT, cache=cache)
            assert receipts == [Receipt(Outcome.SUPPRESSED, None)] * len(items), name
            total += len(items)
        assert _kept(erased) == before, name
    assert _counted(erased) == {**counted, "suppressed": total}
    assert "cust_1" not in caplog.text
    assert "evcus_" not in caplog.text


OTHERS: dict[str, Callable[[], list[Item]]] = {
    "the same ids in another project": lambda: shapes.read_all(
        shapes.distribution(project_id="proj_2")
    ),
    "a new customer with the shop's own id of the erased one": lambda: shapes.read_all(
        shapes.minimal(
            id="evcus_9",
            data=shapes.segment_data(customer={"id": "cust_2", "source_id": "alex@test"}),
        )
    ),
    "a customer with the id of an erased event": lambda: [envelope("e1", customer_id="evcus_1")],
    "an event with the id of an erased customer": lambda: [
        envelope("cust_1", customer_id="cust_2")
    ],
    "an event without a customer": lambda: [envelope("e2", customer_id=None)],
}


@pytest.mark.usefixtures("list_kind", "path")
def test_others_come_in_as_ever(erased: Database) -> None:
    for name, delivery in OTHERS.items():
        assert _outcomes(put(erased, *delivery())) == ["appended"], name


def test_what_is_new_beside_it_comes_in(erased: Database) -> None:
    """Of one batch: positions, duplicates and what is put aside are those of the others."""
    items = [
        envelope("a", customer_id="cust_2"),
        envelope("b", customer_id="cust_1"),
        envelope("c", customer_id="cust_2"),
        envelope("a", customer_id="cust_2"),
        rejected(_BROKEN, defaults=_HOME),
        rejected(b"{"),
        *shapes.read_all(_BROKEN, _HOME),
    ]
    receipts = put(erased, *items)
    head = read_log(erased)[-1].position
    assert receipts == [
        Receipt(Outcome.APPENDED, head - 1),
        Receipt(Outcome.SUPPRESSED, None),
        Receipt(Outcome.APPENDED, head),
        Receipt(Outcome.DUPLICATE, head - 1),
        Receipt(Outcome.SUPPRESSED, None),
        Receipt(Outcome.QUARANTINED, None, "broken_json"),
        Receipt(Outcome.SUPPRESSED, None),
    ]
    assert [each["body"] for each in quarantined(erased)] == [b"{"]


def test_a_conflict_whose_body_was_erased_is_not_put_aside_again(database: Database) -> None:
    """Its event is somebody else's and stays; the body named the erased one."""
    put(database, envelope("a", customer_id="cust_2"))
    other = envelope("a", customer_id="cust_2", type="customer.created")
    assert _outcomes(put(database, other)) == ["conflict"]
    [entry] = quarantined(database)
    with database.writing() as connection:
        erase(connection, bodies=[entry["digest"]])
        connection.execute(text("DELETE FROM quarantine"))
    assert put(database, other) == [Receipt(Outcome.SUPPRESSED, None)]
    assert quarantined(database) == []


@pytest.mark.usefixtures("path")
def test_a_writer_notices_what_another_process_erases_and_allows(database: Database) -> None:
    """Also one that has appended events of the customer a moment ago, with a list in its cache."""
    cache = StreamCache()

    def appended(event_id: str, customer_id: str = "cust_1") -> list[str]:
        items = [envelope(event_id, customer_id=customer_id)]
        return _outcomes(append(database, items, received_at=RECEIVED_AT, cache=cache))

    with closing(Database(url_of(database))) as other:
        for number, customer_id in enumerate(("cust_1", "cust_2")):
            assert appended(f"before {number}") == [("appended", "suppressed")[number]]
            assert appended(f"his {number}", customer_id) == ["appended"]
            with other.writing() as connection:
                erase(connection, ("proj_1", customer_id))
            cache.is_plain = True
            assert appended(f"after {number}", customer_id) == ["suppressed"]
            cache.is_plain = True
            assert appended(f"others {number}", "cust_3") == ["appended"]
        with other.writing() as connection:
            allow(connection, _CUSTOMER)
        cache.is_plain = True
        assert appended("again") == ["appended"]
        assert appended("again 2", "cust_2") == ["suppressed"]


@pytest.mark.usefixtures("path")
def test_an_erasure_that_commits_while_a_batch_waits_for_it_is_noticed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch was planned before: its writer holds the customer's stream in its cache."""
    cache = StreamCache()
    append(database, [envelope("a")], received_at=RECEIVED_AT, cache=cache)
    has_planned, receipts = Event(), []
    for module, name in ((append_module, "_plan"), (direct_append, "_append_to_sqlite")):
        monkeypatch.setattr(module, name, _signalling(getattr(module, name), has_planned))
    if not database.is_sqlite:
        plan = _signalling(direct_append._write_to_postgres, has_planned)
        monkeypatch.setattr(direct_append, "_write_to_postgres", plan)

    def deliver() -> None:
        items = [envelope("b", minute=1), envelope("c", customer_id="cust_2")]
        receipts.extend(append(database, items, received_at=RECEIVED_AT, cache=cache))

    with closing(Database(url_of(database))) as other:
        thread = Thread(target=deliver)
        with other.writing() as connection:
            erase(connection, _CUSTOMER)
            thread.start()
            assert has_planned.wait(10)
            if not database.is_sqlite:
                _wait_for_a_waiting_one(other)
        thread.join(20)
    assert _outcomes(receipts) == ["suppressed", "appended"]
    assert [row[2] for row in streams(database)] == ["erased:1", "cust_2"]


def _signalling(function: Callable[..., Any], signal: Event) -> Callable[..., Any]:
    """Signal after a plan is made, and before a function that waits for the lock."""
    is_plan = function.__name__ == "_plan"

    def wrapped(*arguments: Any) -> Any:
        if not is_plan:
            signal.set()
        result = function(*arguments)
        signal.set()
        return result

    return wrapped


def _wait_for_a_waiting_one(database: Database) -> None:
    statement = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(1_000):
        with database.engine.connect() as connection:
            if connection.execute(statement).scalar_one():
                return
            connection.execute(text("SELECT pg_sleep(0.01)"))
    raise AssertionError("nothing waits")


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """The statements that SQLAlchemy sends, as they are sent."""
    from sqlalchemy import event as events

    found: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        found.append(statement)

    events.listen(database.engine, "before_cursor_execute", note)
    yield found
    events.remove(database.engine, "before_cursor_execute", note)


def test_the_list_is_read_once_for_each_erasure_and_never_without_one(
    database: Database, statements: list[str]
) -> None:
    """Whichever writer it is: the number of the last erasure comes with the head."""
    cache = StreamCache()

    def lists(*event_ids: str) -> int:
        statements.clear()
        for each in event_ids:
            items: list[Item] = [envelope(each, customer_id="cust_2"), rejected(each.encode())]
            append(database, items, received_at=RECEIVED_AT, cache=cache)
        return sum("secret" in each or "suppressed" in each for each in statements)

    assert lists("a", "b") == 0
    with database.writing() as connection:
        erase(connection, _CUSTOMER)
    assert lists("c", "d") == 2
    put(database, envelope("another writer's"))
    assert lists("e") == 0


def test_the_list_is_kept_up_to_its_limit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.writing() as connection:
        erase(connection, _CUSTOMER, ("proj_1", "cust_2"))
    for limit, is_kept in ((2, True), (1, False)):
        monkeypatch.setattr(suppression, "DIGESTS_MAX", limit)
        with database.reading() as connection:
            found = suppression.read(connection)
            assert (found.erasure_id, found.is_kept) == (1, is_kept)
            assert found.has_customer("proj_1", "cust_1")
            assert not found.has_customer("proj_2", "cust_1")
            assert not found.has_event("proj_1", "cust_1")
            assert not found.has_body("cust_1")
    assert KEY.hex() not in repr(found)
    assert repr(KEY) not in repr(found)
