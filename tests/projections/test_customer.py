"""Who a customer is, as its latest events show it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import asdict, replace

from projector.projections.customer import Row
from tests.support.given import (
    Delivery,
    confirmed,
    created,
    deleted,
    delivery,
    downgraded,
    entered,
    envelope,
    expiration_changed,
    folded,
    given,
    joined,
    left,
    prolonged,
    tier_left,
    updated,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))

#: One event of every kind that shows a customer object as it comes.
SHOWING = {
    "created": created,
    "updated": updated,
    "confirmed": confirmed,
    "entered": lambda who, at, **keys: entered(who, "seg_1", at=at, customer={"id": who, **keys}),
    "left": lambda who, at, **keys: left(who, "seg_1", at=at, customer={"id": who, **keys}),
    "joined": lambda who, at, **keys: joined(who, "t", at=at, customer={"id": who, **keys}),
    "tier left": lambda who, at, **keys: tier_left(who, "t", at=at, customer={"id": who, **keys}),
    "prolonged": lambda who, at, **keys: prolonged(who, "t", at=at, customer={"id": who, **keys}),
    "expiration": lambda who, at, **keys: expiration_changed(
        who, "t", at=at, customer={"id": who, **keys}
    ),
    "upgraded": lambda who, at, **keys: upgraded(
        who, "s", "t", at=at, customer={"id": who, **keys}
    ),
    "downgraded": lambda who, at, **keys: downgraded(
        who, "s", "t", at=at, customer={"id": who, **keys}
    ),
}


def on(at: str) -> datetime:
    return datetime.fromisoformat(at).astimezone(UTC)


def customer(*events: Delivery) -> Row:
    [only] = given(*events).then_rows("customer")
    assert isinstance(only, Row)
    return only


def test_a_customer_without_events_has_no_row() -> None:
    assert given().then_rows("customer") == []


def test_the_first_event_makes_the_row() -> None:
    shown = {
        "source_id": "a-tst",
        "name": "Alex Test",
        "email": "alex@shop.test",
        "metadata": {"lang": "en", "age": 7},
        "created_at": "2019-01-01T01:00:00+01:00",
    }
    assert customer(created("cust_1", at=MONDAY, id="e1", **shown)) == Row(
        source_id="a-tst",
        name="Alex Test",
        email="alex@shop.test",
        metadata='{"age":7,"lang":"en"}',
        created_at=on("2019-01-01T00:00:00Z"),
        deleted_at=None,
        first_event_at=on(MONDAY),
        last_event_at=on(MONDAY),
        event_count=1,
        changed_by="e1",
        search_name="alex test",
        search_email="alex@shop.test",
    )


@pytest.mark.parametrize("event", SHOWING.values(), ids=SHOWING)
def test_every_event_sets_the_keys_that_its_customer_has(event: Any) -> None:
    first = created("cust_1", at=MONDAY, name="Old", email="old@shop.test", source_id="s")
    row = customer(first, event("cust_1", at=TUESDAY, name="New"))
    assert (row.name, row.email, row.source_id) == ("New", "old@shop.test", "s")
    assert (row.last_event_at, row.event_count) == (on(TUESDAY), 2)


@pytest.mark.parametrize("key", ["source_id", "name", "email", "metadata", "created_at"])
def test_null_counts_as_a_value(key: str) -> None:
    values: dict[str, Any] = {
        "source_id": "s",
        "name": "n",
        "email": "e",
        "metadata": {"a": 1},
        "created_at": "2019-01-01T00:00:00Z",
    }
    full = created("cust_1", at=MONDAY, **values)
    before = asdict(customer(full))
    after = asdict(customer(full, updated("cust_1", at=TUESDAY, **{key: None})))
    assert before[key] is not None
    changed = {name for name in before if before[name] != after[name]}
    assert changed - {f"search_{key}"} == {key, "last_event_at", "event_count", "changed_by"}
    assert after[key] is None
    assert after.get(f"search_{key}") is None


def test_the_keys_of_the_search_follow_the_name_and_the_address() -> None:
    first = created("cust_1", at=MONDAY, name="Zoë  ŁĘCKA", email="ZOE@shop.test")
    rows = [
        customer(first, *more)
        for more in (
            (),
            (updated("cust_1", at=TUESDAY, email=None),),
            (updated("cust_1", at=TUESDAY, name="Mara"), deleted("cust_1", at=WEDNESDAY)),
        )
    ]
    assert [(each.search_name, each.search_email) for each in rows] == [
        ("zoe lecka", "zoe@shop.test"),
        ("zoe lecka", None),
        ("mara", "zoe@shop.test"),
    ]


def test_an_event_without_a_customer_object_is_only_counted() -> None:
    nobody = delivery("customer.updated", None, at=TUESDAY, id="e2")
    nobody["event"]["entity_id"] = "cust_1"
    row = customer(created("cust_1", at=MONDAY, name="Alex"), nobody)
    assert row.name == "Alex"
    assert (row.event_count, row.last_event_at, row.changed_by) == (2, on(TUESDAY), "e2")


def test_a_deletion_sets_only_the_time_of_it() -> None:
    before = customer(created("cust_1", at=MONDAY, source_id="s", name="Alex", email="a@b.test"))
    gone = deleted("cust_1", at=TUESDAY, id="e2", source_id="s_deleted171", name=None, email="x")
    after = customer(
        created("cust_1", at=MONDAY, source_id="s", name="Alex", email="a@b.test"), gone
    )
    assert after == replace(
        before,
        deleted_at=on(TUESDAY),
        last_event_at=on(TUESDAY),
        event_count=2,
        changed_by="e2",
    )


def test_an_update_does_not_bring_a_deleted_customer_back() -> None:
    row = customer(deleted("cust_1", at=MONDAY), updated("cust_1", at=TUESDAY, name="Alex"))
    assert (row.deleted_at, row.name) == (on(MONDAY), "Alex")


def test_a_customer_who_is_created_is_not_deleted() -> None:
    row = customer(deleted("cust_1", at=MONDAY), created("cust_1", at=TUESDAY, name="Alex"))
    assert (row.deleted_at, row.name) == (None, "Alex")


def test_a_creation_that_comes_late_does_not_undo_the_deletion() -> None:
    happened = given(created("cust_1", at=MONDAY, name="Alex"), deleted("cust_1", at=TUESDAY))
    [row] = happened.delivered(order=reversed).then_rows("customer")
    assert (row.deleted_at, row.name) == (on(TUESDAY), "Alex")


def test_the_newest_value_stands_in_whatever_order_it_came() -> None:
    happened = given(
        created("cust_1", at=MONDAY, name="First"),
        updated("cust_1", at=TUESDAY, name="Second"),
        updated("cust_1", at=WEDNESDAY, name="Third"),
    )
    [row] = happened.delivered(times=3, order=reversed).then_rows("customer")
    assert row.name == "Third"
    assert (row.first_event_at, row.last_event_at, row.event_count) == (
        on(MONDAY),
        on(WEDNESDAY),
        3,
    )


def test_an_event_of_an_unread_type_counts_and_shows_the_customer() -> None:
    row = customer(
        created("cust_1", at=MONDAY, name="Alex"),
        delivery("customer.rewarded", "cust_1", at=TUESDAY, customer={"id": "cust_1", "name": "X"}),
    )
    assert (row.name, row.event_count, row.last_event_at) == ("X", 2, on(TUESDAY))


def test_an_event_that_the_program_wrote_itself_is_not_counted() -> None:
    sent = delivery("projector.offer.sent", "cust_1", at=TUESDAY)
    assert customer(created("cust_1", at=MONDAY), sent).event_count == 1
    assert given(sent).then_rows("customer") == []


@pytest.mark.parametrize(
    "event",
    [
        joined("cust_1", None, at=TUESDAY, customer={"id": "cust_1", "name": "X"}),
        left("cust_1", {"id": 7}, at=TUESDAY, customer={"id": "cust_1", "name": "X"}),
        joined("cust_1", "t", at=TUESDAY, customer={"id": "cust_1", "name": "X"}, campaign="text"),
    ],
    ids=["tier null", "segment id", "campaign text"],
)
def test_an_event_counts_and_shows_the_customer_even_if_the_rest_is_unreadable(
    event: Delivery,
) -> None:
    row = customer(created("cust_1", at=MONDAY, name="Alex"), event)
    assert (row.name, row.event_count, row.last_event_at) == ("X", 2, on(TUESDAY))


@pytest.mark.parametrize(
    "unreadable", [{"name": 7}, {"email": "a\0b"}, {"created_at": "today"}, {"source_id": True}]
)
@pytest.mark.parametrize("event", SHOWING.values(), ids=SHOWING)
def test_an_unreadable_customer_object_is_a_dead_letter_of_this_projection_alone(
    event: Any, unreadable: dict[str, Any]
) -> None:
    unreadable_event = event("cust_1", at=TUESDAY, **unreadable)
    happened = [created("cust_1", at=MONDAY, id="e1"), unreadable_event]
    rows, failures = folded("customer", map(envelope, happened))
    assert rows == [customer(happened[0])]
    assert [each.position for each in failures] == [2]
    assert failures[0].reason.startswith("ValueError: The customer object is unreadable: ")
    for name in ("segment_membership", "loyalty_tier"):
        readable_event = event("cust_1", at=TUESDAY)
        readable_event["event"]["id"] = unreadable_event["event"]["id"]
        as_readable = folded(name, map(envelope, [happened[0], readable_event]))
        assert folded(name, map(envelope, happened)) == (as_readable[0], [])


@pytest.mark.parametrize("shown", [None, "cust_1", [], 7, {"name": 7}])
def test_a_deletion_needs_no_customer_object(shown: Any) -> None:
    """It sets no attribute, and a customer who is gone must not stay."""
    gone = deleted("cust_1", at=TUESDAY)
    gone["event"]["entity_id"] = "cust_1"
    gone["data"]["customer"] = shown
    row = customer(created("cust_1", at=MONDAY, name="Alex"), gone)
    assert (row.name, row.deleted_at) == ("Alex", on(TUESDAY))


@pytest.mark.parametrize("data", [None, [], "text", {}])
def test_an_event_without_data_counts(data: Any) -> None:
    event = delivery("customer.rewarded", "cust_1", at=TUESDAY)
    event["event"]["entity_id"] = "cust_1"
    event["data"] = data
    row = customer(created("cust_1", at=MONDAY, name="Alex"), event)
    assert (row.name, row.event_count) == ("Alex", 2)


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        pytest.param(
            {"b": 1, "a": {"d": [], "c": "ü"}}, '{"a":{"c":"ü","d":[]},"b":1}', id="object"
        ),
        pytest.param({}, "{}", id="empty"),
        pytest.param([1, None], "[1,null]", id="array"),
        pytest.param("text", '"text"', id="text"),
    ],
)
def test_metadata_is_kept_as_json_with_sorted_keys(metadata: Any, text: str) -> None:
    assert customer(created("cust_1", at=MONDAY, metadata=metadata)).metadata == text


def test_an_empty_source_id_is_a_source_id() -> None:
    assert customer(created("cust_1", at=MONDAY, source_id="")).source_id == ""


def test_customers_of_one_id_in_two_projects_are_two_customers() -> None:
    happened = given(
        created("cust_1", at=MONDAY, name="Here"),
        created("cust_1", at=THURSDAY, name="There", project_id="proj_2"),
    ).delivered()
    assert [row.name for row in happened.then_rows("customer")] == ["Here"]
    assert [row.name for row in happened.then_rows("customer", project_id="proj_2")] == ["There"]
