"""Nothing is dropped: what cannot be filed is kept byte for byte, with the reason, and once."""

from contextlib import suppress

import pytest
from attrs import evolve
from msgspec import structs

from projector.envelope import DeliveryDefaults
from projector.store import quarantine
from projector.store.append import Outcome
from projector.store.database import Database
from tests.support.items import RECEIVED_AT, at, envelope, put, quarantined, read_log, rejected

_CALLER = DeliveryDefaults(
    project_id="proj_1", type="customer.created", occurred_at=at(3), customer_id="cust_1"
)

_BODIES = {
    "nothing": b"",
    "NUL": b"\x00",
    "text": b'{"id": ',
    "every byte": bytes(range(256)),
    "not UTF-8": b"\xed\xa0\x80\xff\xfe",
    "characters": "é\U0001f600\u2028".encode(),
    "large": b"\xff\x00" * (8 * 1024 * 1024),
}


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES)
def test_a_body_is_kept_byte_for_byte(database: Database, body: bytes) -> None:
    put(database, rejected(body))
    assert [each["body"] for each in quarantined(database)] == [body]


def test_all_that_is_known_of_a_delivery_is_kept(database: Database) -> None:
    put(database, rejected(b"{", "bad_time", project_id="proj_1", event_id="a", defaults=_CALLER))
    [kept] = quarantined(database)
    assert len(kept.pop("digest")) == 64
    assert kept == {
        "quarantine_id": 1,
        "reason": "bad_time",
        "detail": "It cannot be read.",
        "project_id": "proj_1",
        "event_id": "a",
        "received_at": RECEIVED_AT,
        "default_project_id": "proj_1",
        "default_type": "customer.created",
        "default_occurred_at": at(3),
        "default_customer_id": "cust_1",
        "body": b"{",
        "resolved_at": None,
        "resolved_position": None,
    }


def test_a_quarantined_delivery_takes_no_position_in_the_log(database: Database) -> None:
    put(database, rejected(b"x"), envelope("a"), rejected(b"y"))
    assert [(each.position, each.event_id) for each in read_log(database)] == [(1, "a")]


def test_entries_are_numbered_by_what_is_there(database: Database) -> None:
    """A sequence of the database counts what is undone, too, and can go back."""
    put(database, rejected(b"x"))
    aside = [quarantine.to_item(rejected(b"undone"))]
    with suppress(KeyboardInterrupt), database.writing() as connection:
        quarantine.add(connection, aside, received_at=RECEIVED_AT)
        raise KeyboardInterrupt
    put(database, rejected(b"x"), rejected(b"y"), rejected(b"z"))
    assert [(each["quarantine_id"], each["body"]) for each in quarantined(database)] == [
        (1, b"x"),
        (3, b"y"),
        (4, b"z"),
    ]


def test_the_same_delivery_again_is_counted_and_not_kept_twice(database: Database) -> None:
    receipts = put(database, *[rejected(b"x")] * 200) + put(database, rejected(b"x"))
    assert {receipt.outcome for receipt in receipts} == {Outcome.QUARANTINED}
    assert len(receipts) == 201
    assert len(quarantined(database)) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(rejected(b"x ", defaults=_CALLER), id="bytes"),
        pytest.param(rejected(b"x", "not_utf8", defaults=_CALLER), id="reason"),
        pytest.param(rejected(b"x", defaults=evolve(_CALLER, project_id="proj_2")), id="project"),
        pytest.param(rejected(b"x", defaults=evolve(_CALLER, type=None)), id="type"),
        pytest.param(rejected(b"x", defaults=evolve(_CALLER, occurred_at=at(4))), id="time"),
        pytest.param(rejected(b"x", defaults=evolve(_CALLER, customer_id="c")), id="customer"),
        pytest.param(rejected(b"x"), id="nothing told"),
    ],
)
def test_a_delivery_that_differs_in_any_way_is_quarantined_too(
    database: Database, other: object
) -> None:
    put(database, rejected(b"x", defaults=_CALLER), other)  # type: ignore[arg-type]
    assert len(quarantined(database)) == 2


def test_two_conflicts_about_one_event_are_both_kept(database: Database) -> None:
    entered = envelope("a", type="customer.segment.entered")
    put(database, *(structs.replace(entered, body=_segment(name)) for name in "ABCB"))
    bodies = [each["body"] for each in quarantined(database)]
    assert bodies == [_segment(name).encode() for name in "BC"]


def _segment(segment_id: str) -> str:
    return f'{{"data": {{"segment": {{"id": "{segment_id}"}}}}}}'


def test_an_entry_that_is_closed_stays_as_it_is(database: Database) -> None:
    put(database, rejected(b"x"), rejected(b"y"))
    for day, positions in ((1, {1: 7}), (2, {1: 8, 2: 9}), (3, {}), (4, {3: 10})):
        with database.writing() as connection:
            quarantine.resolve(connection, positions, at=at(day))
    found = [(each["resolved_at"], each["resolved_position"]) for each in quarantined(database)]
    assert found == [(at(1), 7), (at(2), 9)]


def test_the_quarantine_is_counted_by_reason(database: Database) -> None:
    with database.reading() as connection:
        assert quarantine.counts(connection) == {}
    put(database, rejected(b"x", "not_utf8"), rejected(b"x"), rejected(b"y"))
    with database.reading() as connection:
        counts = quarantine.counts(connection)
    assert list(counts.items()) == [("broken_json", 2), ("not_utf8", 1)]
