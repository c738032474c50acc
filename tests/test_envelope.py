"""What an event is filed by."""

from datetime import UTC, datetime, timedelta

import pytest

from projector.envelope import BODY_BYTES_MAX, CanonicalKey, Envelope, Shape, id_problem

NOON = datetime(2024, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize("value", ["x", "x" * 200, "é" * 200, " ", "\ud7ff\ue000", "\U0010ffff"])
def test_any_short_text_is_an_identifier(value: str) -> None:
    assert id_problem(value) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is NoneType, not text"),
        (7, "is int, not text"),
        ("", "is empty"),
        ("x" * 201, "has 201 characters, the limit is 200"),
        ("a\0b", "holds a NUL character"),
        ("\ud800", "is not valid Unicode"),
        ("é\udfff", "is not valid Unicode"),
    ],
)
def test_a_text_that_a_database_cannot_store_is_no_identifier(value: object, problem: str) -> None:
    assert id_problem(value) == problem


def test_events_are_in_the_order_of_their_instants_and_then_of_the_bytes_of_their_ids() -> None:
    event = Envelope(
        project_id="proj_1",
        event_id="b",
        type="customer.created",
        customer_id="a",
        occurred_at=NOON,
        source="webhook",
        body="{}",
    )
    assert event.key == CanonicalKey(NOON, "b")
    keys = [
        CanonicalKey(NOON - timedelta(seconds=1), "z"),
        CanonicalKey(NOON, "Z"),
        event.key,
        CanonicalKey(NOON, "\uffff"),
        CanonicalKey(NOON, "\U00010000"),
    ]
    assert keys == sorted(keys)
    assert keys[1:] == sorted(keys[1:], key=lambda key: key.event_id.encode())


def test_a_body_may_have_a_mebibyte() -> None:
    assert BODY_BYTES_MAX == 2**20


def test_the_names_of_the_shapes_are_stored_and_never_change() -> None:
    assert {str(shape) for shape in Shape} == {
        "reconcile",
        "sending",
        "webhook",
        "activity",
        "minimal",
        "cloudevents",
        "bare",
    }
