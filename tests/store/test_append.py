"""Appending: each item ends as one of four things, positions are dense, repeats do no harm."""

import pytest
from msgspec.structs import replace

from projector.envelope import Envelope
from projector.store import log, quarantine
from projector.store.append import Outcome, Receipt
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.items import (
    RECEIVED_AT,
    as_logged,
    at,
    envelope,
    put,
    quarantined,
    read_log,
    rejected,
    streams,
)

_APPENDED, _DUPLICATE, _CONFLICT = Outcome.APPENDED, Outcome.DUPLICATE, Outcome.CONFLICT


def test_every_item_has_its_outcome_in_the_order_of_the_batch(database: Database) -> None:
    put(database, envelope("old"))
    assert put(
        database,
        envelope("a"),
        rejected(b"{", "broken_json"),
        envelope("old"),
        envelope("old", minute=1),
        envelope("a", minute=1),
        envelope("a"),
        rejected(b"}", "unknown_shape"),
        envelope("b"),
    ) == [
        Receipt(_APPENDED, 2, None),
        Receipt(Outcome.QUARANTINED, None, "broken_json"),
        Receipt(_DUPLICATE, 1, None),
        Receipt(_CONFLICT, 1, "conflict"),
        Receipt(_CONFLICT, 2, "conflict"),
        Receipt(_DUPLICATE, 2, None),
        Receipt(Outcome.QUARANTINED, None, "unknown_shape"),
        Receipt(_APPENDED, 3, None),
    ]


def test_an_event_is_in_the_log_with_all_that_it_came_with(database: Database) -> None:
    one, nobodys = envelope("a", minute=7), envelope("b", customer_id=None, type="voucher.created")
    put(database, one, nobodys)
    assert read_log(database) == [
        as_logged(one, 1, 1, late=False),
        as_logged(nobodys, 2, None, False),
    ]


def test_an_empty_batch_changes_nothing(database: Database) -> None:
    assert put(database) == []
    assert read_log(database) == []


def test_positions_are_dense_over_batches_whatever_is_in_them(database: Database) -> None:
    put(database, envelope("a"), envelope("b"))
    put(database, rejected(b"x"), envelope("a"), envelope("b", name="Berta"))
    put(database, envelope("a"), envelope("c"), rejected(b"y"), envelope("d"))
    put(database)
    put(database, envelope("e"))
    assert [(each.position, each.event_id) for each in read_log(database)] == [
        (1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"),
    ]  # fmt: skip


def test_the_same_batch_again_is_all_duplicates_of_the_same_positions(database: Database) -> None:
    batch = [envelope(str(number), minute=number) for number in range(50)]
    first, again = put(database, *batch), put(database, *batch)
    assert [receipt.position for receipt in first] == list(range(1, 51))
    assert again == [Receipt(_DUPLICATE, receipt.position) for receipt in first]
    assert quarantined(database) == []


def test_one_event_in_two_shapes_is_one_event(database: Database) -> None:
    webhook, entry = envelope("a"), envelope("a", source="activity")
    assert webhook.body != entry.body
    assert [receipt.outcome for receipt in put(database, webhook, entry)] == [_APPENDED, _DUPLICATE]
    assert put(database, entry)[0].outcome == _DUPLICATE


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(envelope("a", minute=1), id="time"),
        pytest.param(envelope("a", type="customer.confirmed"), id="type"),
        pytest.param(envelope("a", customer_id="cust_2"), id="customer"),
    ],
)
def test_one_id_with_other_facts_is_a_conflict_and_the_first_one_stands(
    database: Database, other: Envelope
) -> None:
    put(database, envelope("a"))
    assert put(database, other) == [Receipt(_CONFLICT, 1, "conflict")]
    assert [each.body for each in read_log(database)] == [envelope("a").body]
    [kept] = quarantined(database)
    assert (kept["reason"], kept["project_id"], kept["event_id"]) == ("conflict", "proj_1", "a")
    assert kept["body"] == other.body.encode()
    assert "position 1" in kept["detail"]
    assert streams(database) == [(1, "proj_1", "cust_1", at(0), "a")]


def test_unread_parts_may_differ_between_two_deliveries_of_an_event(database: Database) -> None:
    first, again = envelope("a", type="voucher.created"), envelope("a", type="voucher.created")
    put(database, first)
    again = replace(again, body='{"data": {"voucher": "changed"}}', customer_id=None)
    assert put(database, again)[0].outcome == _DUPLICATE
    assert put(database, replace(again, customer_id="cust_2"))[0].outcome == _CONFLICT


def test_the_customer_may_be_shown_at_another_moment(database: Database) -> None:
    put(database, envelope("a"))
    assert put(database, envelope("a", name="Berta"))[0].outcome == _DUPLICATE
    assert [each.body for each in read_log(database)] == [envelope("a").body]


def test_a_delivery_without_the_customer_repeats_but_does_not_replace_one_with(
    database: Database,
) -> None:
    named, nameless = (envelope("a", customer_id=each) for each in ("cust_1", None))
    assert [each.outcome for each in put(database, named, nameless)] == [_APPENDED, _DUPLICATE]
    first, second = (replace(each, event_id="b") for each in (nameless, named))
    assert [each.outcome for each in put(database, first, second)] == [_APPENDED, _CONFLICT]


def test_an_id_belongs_to_its_project(database: Database) -> None:
    receipts = put(database, envelope("a"), envelope("a", project_id="proj_2", name="Berta"))
    assert [receipt.outcome for receipt in receipts] == [_APPENDED, _APPENDED]
    assert [row[:3] for row in streams(database)] == [
        (1, "proj_1", "cust_1"),
        (2, "proj_2", "cust_1"),
    ]


@pytest.mark.parametrize(("one", "other"), [("a", "A"), ("é", "e\u0301"), ("a", "a "), ("ß", "ss")])
def test_ids_that_only_look_alike_are_not_the_same(
    database: Database, one: str, other: str
) -> None:
    receipts = put(database, envelope(one, customer_id=one), envelope(other, customer_id=other))
    assert [receipt.outcome for receipt in receipts] == [_APPENDED, _APPENDED]
    assert len(streams(database)) == 2


def test_a_stream_is_one_customers_events_and_knows_the_greatest_key(database: Database) -> None:
    put(
        database,
        envelope("a", customer_id="cust_1", minute=5),
        envelope("b", customer_id="cust_2", minute=1),
        envelope("c", customer_id="cust_1", minute=3),
    )
    put(
        database, envelope("d", customer_id="cust_2", minute=9), envelope("e", customer_id="cust_3")
    )
    assert streams(database) == [
        (1, "proj_1", "cust_1", at(5), "a"),
        (2, "proj_1", "cust_2", at(9), "d"),
        (3, "proj_1", "cust_3", at(0), "e"),
    ]
    assert [each.stream_id for each in read_log(database)] == [1, 2, 1, 2, 3]
    with database.reading() as connection:
        assert log.last_stream_id(connection) == 3


def test_an_event_before_the_greatest_of_its_stream_is_late(database: Database) -> None:
    minutes = [5, 9, 7, 9, 10, 4]
    batch = [envelope(f"e{index}", minute=minute) for index, minute in enumerate(minutes)]
    put(database, *batch[:3], envelope("other", customer_id="cust_2", minute=1))
    put(database, *batch[3:])
    late = {each.event_id: each.late for each in read_log(database)}
    assert late == {
        "e0": False, "e1": False, "e2": True, "other": False, "e3": False, "e4": False, "e5": True,
    }  # fmt: skip


def test_the_bytes_of_the_ids_decide_lateness_at_one_instant(database: Database) -> None:
    in_order = ["B", "a", "b", "z", "é", "\uffff", "\U0001f600"]
    put(database, *(envelope(event_id) for event_id in in_order))
    assert not any(each.late for each in read_log(database))
    wipe(database)
    put(database, *(envelope(event_id) for event_id in reversed(in_order)))
    assert [each.late for each in read_log(database)] == [False] + [True] * (len(in_order) - 1)


def test_an_event_without_a_customer_is_never_late(database: Database) -> None:
    put(database, envelope("a", customer_id=None, minute=9))
    put(database, envelope("b", customer_id=None, minute=1))
    assert [(each.stream_id, each.late) for each in read_log(database)] == [(None, False)] * 2


def test_a_batch_that_fails_leaves_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(database, envelope("a"))
    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "add", _fail)
        with pytest.raises(ZeroDivisionError):
            put(database, envelope("b", minute=5), rejected(b"{"))
    assert [each.event_id for each in read_log(database)] == ["a"]
    assert streams(database) == [(1, "proj_1", "cust_1", at(0), "a")]
    assert put(database, envelope("c", customer_id="cust_2"))[0].position == 2
    assert streams(database)[1][0] == 2


def _fail(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError


def test_all_of_a_batch_was_received_at_one_time(database: Database) -> None:
    put(database, envelope("a"), rejected(b"{"), envelope("b"))
    assert {each.received_at for each in read_log(database)} == {RECEIVED_AT}
    assert {each["received_at"] for each in quarantined(database)} == {RECEIVED_AT}
