"""From a body to a fact, and whether two deliveries of one event say the same."""

import json
import re
from typing import Any

import attrs
import pytest
from hypothesis import example, settings
from hypothesis import given as for_any
from msgspec import structs

from projector.envelope import DeliveryDefaults, Envelope
from projector.facts.codec import decode, same_facts
from projector.facts.events import (
    FACTS,
    Customer,
    CustomerFact,
    SegmentEntered,
    TierJoined,
    TierUpgraded,
    UndecodableFact,
    UnreadableCustomer,
)
from projector.intake import sources
from tests.support.given import (
    SHAPES,
    Delivery,
    created,
    delivery,
    downgraded,
    entered,
    envelope,
    in_shape,
    joined,
    left,
    segment,
    tier,
    updated,
    upgraded,
)
from tests.support.histories import webhooks

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"
ENTERED = entered("cust_1", "seg_1", at=MONDAY, id="e1")

#: Events of types that are read, which do not state their fact, and a word of the reason.
UNREADABLE: dict[str, tuple[Delivery, str]] = {
    "tier null": (joined("cust_1", None, at=MONDAY), "loyalty_tier"),
    "tier without id": (joined("cust_1", {"name": "Gold"}, at=MONDAY), "id"),
    "new tier null": (upgraded("cust_1", "silver", None, at=MONDAY), "loyalty_tier_to"),
    "old tier without id": (downgraded("cust_1", {}, "silver", at=MONDAY), "loyalty_tier_from"),
    "segment without id": (entered("cust_1", {"name": "New"}, at=MONDAY), "segment"),
    "segment null": (left("cust_1", None, at=MONDAY), "segment"),
    "segment of an empty id": (entered("cust_1", {"id": ""}, at=MONDAY), "segment.id"),
    "segment of a long id": (entered("cust_1", {"id": "x" * 201}, at=MONDAY), "segment.id"),
    "segment with a number as id": (entered("cust_1", {"id": 7}, at=MONDAY), "segment.id"),
    "points beyond 64 bits": (joined("cust_1", tier("gold", 2**63), at=MONDAY), "points"),
    "points of 400 digits": (joined("cust_1", tier("gold", 10**400), at=MONDAY), "points"),
    "a time without offset": (
        joined("cust_1", "gold", at=MONDAY, created_at="2024-03-04T10:00:00"),
        "created_at",
    ),
    "NUL in a segment's id": (entered("cust_1", segment("s\0"), at=MONDAY), "NUL"),
    "NUL deep inside": (
        joined("cust_1", "gold", at=MONDAY, campaign={"id": "c", "name": "\0"}),
        "NUL",
    ),
    "nobody": (delivery("customer.created", None, at=MONDAY), "no customer"),
}


def reread(event: Delivery, **changes: Any) -> Envelope:
    """The envelope of an event with some keys of its data changed."""
    return envelope({**event, "data": {**event["data"], **changes}})


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_gives_the_same_fact(shape: str) -> None:
    fact = decode(envelope(ENTERED, shape))
    assert isinstance(fact, SegmentEntered)
    assert (fact.segment.id, fact.segment.name) == ("seg_1", "Segment seg_1")


def test_an_entry_of_the_activity_may_hold_its_facts_one_level_higher() -> None:
    entry = in_shape("activity", ENTERED)
    entry["data"] = entry["data"]["data"]
    [flat] = sources.read(json.dumps(entry).encode(), DeliveryDefaults(project_id="proj_1"))
    assert isinstance(flat, Envelope)
    assert flat.source == "activity"
    assert decode(flat) == decode(envelope(ENTERED))


def test_bare_data_is_a_fact_by_the_word_of_the_caller() -> None:
    given = DeliveryDefaults(project_id="proj_1", type="customer.loyalty.tier.joined")
    data = joined("cust_1", "gold", at=MONDAY, created_at=MONDAY)["data"]
    [bare] = sources.read(json.dumps(data).encode(), given)
    assert isinstance(bare, Envelope)
    assert isinstance(decode(bare), TierJoined)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_of_an_unread_type_shows_its_customer(shape: str) -> None:
    for event_type in ("customer.rewarded", "voucher.created", "customer.segment.entered "):
        shown = {"id": "cust_1", "name": "Alex"}
        event = delivery(event_type, "cust_1", at=MONDAY, customer=shown)
        assert decode(envelope(event, shape)) == CustomerFact(customer=Customer(name="Alex"))


def test_an_event_of_an_unread_type_about_nobody_decodes_to_no_fact() -> None:
    assert decode(envelope(delivery("voucher.created", None, at=MONDAY, customer=[]))) is None


def test_an_event_that_the_program_wrote_itself_decodes_to_no_fact() -> None:
    assert decode(envelope(delivery("projector.offer.sent", "cust_1", at=MONDAY))) is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"name": 7}, "Expected `str | null`, got `int` - at `$.customer.name`."),
        ({"source_id": "x" * 201}, "Expected `str` of length <= 200 - at `$.customer.source_id`."),
        ({"name": "A\0"}, "a text in it holds a NUL character."),
    ],
)
def test_an_unreadable_customer_object_leaves_the_rest_of_the_event_readable(
    keys: dict[str, Any], sentence: str, shape: str
) -> None:
    shown = {"id": "cust_1", **keys}
    fact = decode(envelope(entered("cust_1", "seg_1", at=MONDAY, customer=shown), shape))
    assert isinstance(fact, SegmentEntered)
    assert fact.segment.id == "seg_1"
    reason = f"The customer object is unreadable: {sentence}"
    assert fact.customer == UnreadableCustomer(reason=reason)


@pytest.mark.parametrize(("event", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_the_customer_object_of_an_undecodable_event_is_readable(
    event: Delivery, reason: str
) -> None:
    fact = decode(envelope(event))
    assert isinstance(fact, UndecodableFact)
    if event["data"].get("customer") is None:
        assert fact.readable is None
    else:
        assert fact.readable == CustomerFact(customer=Customer())


@pytest.mark.parametrize("event_type", FACTS)
def test_every_type_gives_its_class(event_type: str) -> None:
    tiers = {name: tier("t") for name in ("loyalty_tier", "loyalty_tier_from", "loyalty_tier_to")}
    more: dict[str, Any] = {"segment": segment("s"), "campaign": {"id": "c"}, **tiers}
    fact = decode(envelope(delivery(event_type, "cust_1", at=MONDAY, **more)))
    assert type(fact) is FACTS[event_type]


def test_a_key_that_the_vendor_sends_as_null_may_be_null() -> None:
    lean = tier("t", campaign_id="c", name=None, points=None, config=None, expiration=None)
    event = upgraded("cust_1", None, lean, at=MONDAY, campaign=None, created_at=None)
    fact = decode(envelope(event))
    assert isinstance(fact, TierUpgraded)
    assert fact.campaign_id == "c"


def test_unread_keys_may_hold_any_value() -> None:
    odd = {"publication": 7, "voucher": [[]], "segments": "x", "created_at": "yesterday"}
    assert decode(reread(ENTERED, **odd)) == decode(envelope(ENTERED))


@pytest.mark.parametrize(("event", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_undecodable_body_is_reported_with_the_reason(event: Delivery, reason: str) -> None:
    fact = decode(envelope(event))
    assert isinstance(fact, UndecodableFact)
    assert re.search(reason, fact.reason)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        (delivery("customer.created", None, at=MONDAY), "The event names no customer."),
        (
            joined("cust_1", "gold", at=MONDAY, campaign={"id": "c", "name": "\0"}),
            "The data do not state a customer.loyalty.tier.joined:"
            " a text in it holds a NUL character.",
        ),
        (
            entered("cust_1", {"name": "New"}, at=MONDAY),
            "The data do not state a customer.segment.entered:"
            " Object missing required field `id` - at `$.segment`.",
        ),
    ],
)
def test_the_reason_is_one_sentence_in_whatever_shape_it_comes(
    event: Delivery, sentence: str, shape: str
) -> None:
    fact = decode(envelope(event, shape))
    assert isinstance(fact, UndecodableFact)
    assert fact.reason == sentence


def test_nesting_without_an_end_is_undecodable_or_skipped_but_never_a_crash() -> None:
    text = json.dumps({**ENTERED, "data": {**ENTERED["data"], "deep": "DEEP"}})
    bottomless = "[" * 100_000 + "]" * 100_000
    [item] = sources.read(text.replace('"DEEP"', bottomless).encode(), DeliveryDefaults())
    if isinstance(item, Envelope):
        assert isinstance(decode(item), UndecodableFact)


def test_nul_is_refused_in_what_is_read_only() -> None:
    assert decode(reread(ENTERED, voucher="\0")) == decode(envelope(ENTERED))
    # A backslash and letters are no NUL.
    assert decode(envelope(created("cust_1", at=MONDAY, name="\\u0000"))) is not None
    metadata = decode(envelope(created("cust_1", at=MONDAY, metadata={"a": "\0"})))
    assert metadata is not None


def test_a_delivery_says_the_same_as_itself() -> None:
    assert same_facts(envelope(ENTERED), envelope(ENTERED))


@settings(max_examples=100)
@for_any(event=webhooks())
@example(event=ENTERED)
def test_an_event_is_one_event_in_whatever_shape_it_comes(event: Delivery) -> None:
    first = envelope(event)
    if isinstance(decode(first), UndecodableFact):
        return
    for shape in SHAPES:
        assert same_facts(envelope(event, shape), first), shape


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_that_cannot_be_read_is_one_event_too(shape: str) -> None:
    for name, (event, _) in UNREADABLE.items():
        assert same_facts(envelope(event, shape), envelope(event)), name


SAME: dict[str, tuple[Delivery, Delivery]] = {
    "other keys that nobody reads": (ENTERED, entered("cust_1", "seg_1", at=MONDAY, voucher={})),
    "metadata in another order": (
        created("cust_1", at=MONDAY, metadata={"a": 1, "b": {"c": 2, "d": 3}}),
        created("cust_1", at=MONDAY, metadata={"b": {"d": 3, "c": 2}, "a": 1}),
    ),
    "the instant with another offset": (
        ENTERED,
        entered("cust_1", "seg_1", at="2024-03-04T15:45:00.000+05:45"),
    ),
    "a time in the data with another offset": (
        joined("cust_1", "gold", at=MONDAY, created_at=MONDAY),
        joined("cust_1", "gold", at=MONDAY, created_at="2024-03-04T11:00:00+01:00"),
    ),
    "a type that nobody reads, of other content": (
        delivery("voucher.created", None, at=MONDAY, voucher={"id": "a"}),
        delivery("voucher.created", None, at=MONDAY, voucher={"id": "b"}),
    ),
    "a whole number as a double": (
        joined("cust_1", tier("gold", 100, 1000), at=MONDAY),
        joined("cust_1", tier("gold", points={"from": 100.0, "to": 1e3}), at=MONDAY),
    ),
}
#: Deliveries of one event that show its customer at two moments.
SNAPSHOTS: dict[str, tuple[Delivery, Delivery]] = {
    "customer's name": (
        updated("cust_1", at=MONDAY, name="Ada"),
        updated("cust_1", at=MONDAY, name="Eve"),
    ),
    "null for a name": (updated("cust_1", at=MONDAY), updated("cust_1", at=MONDAY, name=None)),
    "metadata": (
        updated("cust_1", at=MONDAY, metadata={"a": 1}),
        updated("cust_1", at=MONDAY, metadata={"a": 1.5}),
    ),
    "whole or nothing": (
        created("cust_1", at=MONDAY, name="Ada", source_id="s", metadata={}, created_at=MONDAY),
        created("cust_1", at=MONDAY),
    ),
}
OTHER: dict[str, tuple[Delivery, Delivery]] = {
    "type": (ENTERED, left("cust_1", "seg_1", at=MONDAY)),
    "customer": (ENTERED, entered("cust_2", "seg_1", at=MONDAY)),
    "instant": (ENTERED, entered("cust_1", "seg_1", at="2024-03-04T10:00:00.000001Z")),
    "segment": (ENTERED, entered("cust_1", "seg_2", at=MONDAY)),
    "segment's name": (ENTERED, entered("cust_1", segment("seg_1", name="Other"), at=MONDAY)),
    "points": (
        joined("cust_1", tier("gold", 1), at=MONDAY),
        joined("cust_1", tier("gold", 2), at=MONDAY),
    ),
    "an unread event of another type": (
        delivery("voucher.created", None, at=MONDAY),
        delivery("voucher.deleted", None, at=MONDAY),
    ),
    "an unread event at another time": (
        delivery("voucher.created", None, at=MONDAY),
        delivery("voucher.created", None, at=TUESDAY),
    ),
    "readable and not": (ENTERED, entered("cust_1", {"name": "New"}, at=MONDAY)),
    "unreadable for another reason": (
        entered("cust_1", {"name": "New"}, at=MONDAY),
        entered("cust_1", {"id": 7}, at=MONDAY),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_bodies_that_differ_only_in_unread_parts_have_the_same_facts(
    one: Delivery, other: Delivery
) -> None:
    assert same_facts(envelope(one), envelope(other))
    assert same_facts(envelope(other), envelope(one))


@pytest.mark.parametrize(("one", "other"), SNAPSHOTS.values(), ids=SNAPSHOTS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_customer_is_a_snapshot_and_no_fact_of_the_event(
    one: Delivery, other: Delivery, shape: str
) -> None:
    assert same_facts(envelope(one), envelope(other, shape))
    assert same_facts(envelope(other, shape), envelope(one))


@pytest.mark.parametrize("type_", ["customer.segment.entered", "customer.rewarded"])
def test_a_delivery_that_names_no_customer_repeats_an_event_that_names_one(type_: str) -> None:
    """Not the reverse: the event would be missing in the customer's stream, and nothing show it."""
    named, nameless = (
        envelope(delivery(type_, customer, at=MONDAY, segment=segment("seg_1")))
        for customer in ("cust_1", None)
    )
    assert same_facts(nameless, named)
    assert not same_facts(named, nameless)
    assert not same_facts(named, structs.replace(named, customer_id="cust_2"))


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
@pytest.mark.parametrize("shape", SHAPES)
def test_bodies_that_differ_in_a_read_part_have_different_facts(
    one: Delivery, other: Delivery, shape: str
) -> None:
    assert not same_facts(envelope(one), envelope(other, shape))
    assert not same_facts(envelope(other, shape), envelope(one))


def test_metadata_is_the_same_with_other_whitespace() -> None:
    one = envelope(created("cust_1", at=MONDAY, metadata={"a": [1, 2], "b": " "}))
    body = json.dumps(json.loads(one.body), indent=3)
    assert body != one.body
    assert same_facts(one, structs.replace(one, body=body))


def test_one_body_is_two_events_where_the_callers_filed_it_differently() -> None:
    one = envelope(ENTERED)
    assert not same_facts(one, structs.replace(one, type="customer.segment.left"))
    assert not same_facts(one, structs.replace(one, customer_id="cust_2"))


def test_a_fact_has_no_reference_to_the_event() -> None:
    fact = decode(envelope(ENTERED))
    assert isinstance(fact, CustomerFact)
    assert not {"event_id", "occurred_at"} & {field.name for field in attrs.fields(type(fact))}
