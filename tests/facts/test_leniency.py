"""Facts in JSON that says the same in another way: as a double, a number, a leap second, cut."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import structs

from projector.envelope import Envelope
from projector.facts.codec import decode, decode_encoded, encode, same_facts
from projector.facts.events import (
    CustomerFact,
    TierJoined,
    TierUpgraded,
    UndecodableFact,
    UnreadableCustomer,
)
from projector.facts.metadata import canonical_json
from projector.intake import sources
from tests.support.given import (
    SHAPES,
    Delivery,
    created,
    entered,
    envelope,
    joined,
    segment,
    tier,
    upgraded,
)
from tests.support.quarantine import HOME

MONDAY = "2024-03-04T10:00:00Z"
_PLACE = "@here@"


def written(event: Delivery, raw: str, shape: str = "webhook") -> Envelope:
    """The envelope of an event with other JSON text in the place of "@here@"."""
    whole = envelope(event, shape)
    return structs.replace(whole, body=whole.body.replace(f'"{_PLACE}"', raw))


def _joined(**points: Any) -> Delivery:
    return joined("cust_1", tier("gold", points=points), at=MONDAY)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("raw", "number"),
    [
        ("100.0", 100),
        ("1e2", 100),
        ("1.5E+1", 15),
        ("-0.0", 0),
        ("-7.000", -7),
        ("120e-1", 12),
        ("9223372036854775807.0", 2**63 - 1),
        ("-9.223372036854775808e18", -(2**63)),
    ],
)
def test_a_whole_number_may_be_written_as_a_double(raw: str, number: int, shape: str) -> None:
    fact = decode(written(_joined(**{"from": _PLACE, "to": None}), raw, shape))
    assert isinstance(fact, TierJoined)
    assert fact.loyalty_tier.range == (number, None)
    assert type(fact.loyalty_tier.range[0]) is int
    assert decode_encoded("customer.loyalty.tier.joined", encode(fact)) == fact


@pytest.mark.parametrize(
    "raw",
    [
        *("100.5", "1e-1", "9223372036854775808.0", "-9223372036854775809.0", "1e300", "1e999999"),
        *("1e99999999999999999999", '"100"', "true", "[100.0]", "9" * 500, "1" + "0" * 500 + ".0"),
    ],
)
def test_a_number_that_is_no_integer_of_64_bits_is_refused(raw: str) -> None:
    fact = decode(written(_joined(**{"from": _PLACE}), raw))
    assert isinstance(fact, UndecodableFact)
    assert "points" in fact.reason


def test_every_number_of_an_event_may_be_a_double() -> None:
    old = tier("silver", config={"points": {"from": 1.0, "to": 99.0}})
    new = tier("gold", points={"from": 1e2, "to": 2e2}, config={"points": {"from": 3e2}})
    fact = decode(envelope(upgraded("cust_1", old, new, at=MONDAY)))
    assert isinstance(fact, TierUpgraded)
    assert fact.loyalty_tier_from is not None
    assert (fact.loyalty_tier_from.range, fact.loyalty_tier_to.range) == ((1, 99), (100, 200))


@pytest.mark.parametrize(
    ("raw", "source_id"),
    [
        *(("123", "123"), ("-5", "-5"), ("123.0", "123"), ("1.23e2", "123"), ("0", "0")),
        ("12345678901234567890123", "12345678901234567890123"),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_shops_own_id_may_be_a_number(raw: str, source_id: str, shape: str) -> None:
    fact = decode(written(created("cust_1", at=MONDAY, source_id=_PLACE, name="A"), raw, shape))
    assert isinstance(fact, CustomerFact)
    assert fact.customer is not None
    assert (fact.customer.source_id, fact.customer.name) == (source_id, "A")


@pytest.mark.parametrize("raw", ["true", "false", "1.5", "[]", "{}", "1e300", "1" * 201])
def test_the_shops_own_id_may_be_nothing_else(raw: str) -> None:
    fact = decode(written(created("cust_1", at=MONDAY, source_id=_PLACE), raw))
    assert isinstance(fact, CustomerFact)
    assert isinstance(fact.customer, UnreadableCustomer)
    assert "source_id" in fact.customer.reason


def test_a_number_for_another_text_is_refused() -> None:
    fact = decode(envelope(created("cust_1", at=MONDAY, name=7)))
    assert isinstance(fact, CustomerFact)
    assert isinstance(fact.customer, UnreadableCustomer)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_leap_second_is_read_in_facts_as_well(shape: str) -> None:
    leap, last = "2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    event = joined("cust_1", "gold", at=MONDAY, created_at=leap)
    event["data"]["customer"]["created_at"] = "2017-01-01T00:59:60.5+01:00"
    fact = decode(envelope(event, shape))
    assert isinstance(fact, TierJoined)
    assert fact.created_at == last
    assert fact.customer is not None
    assert fact.customer.created_at == last


def test_a_second_60_of_another_minute_is_refused_in_facts() -> None:
    fact = decode(envelope(joined("cust_1", "gold", at=MONDAY, created_at="2016-12-31T23:58:60Z")))
    assert isinstance(fact, UndecodableFact)
    assert "created_at" in fact.reason


@pytest.mark.parametrize("shape", SHAPES)
def test_half_a_character_becomes_the_replacement_character(shape: str) -> None:
    event = entered("cust_1", segment("seg_1", name=_PLACE), at=MONDAY)
    event["data"]["customer"]["metadata"] = {"b": _PLACE, "a": 1.0}
    item = written(event, r'"Jo \ud83c"', shape)
    fact: Any = decode(item)
    assert (fact.segment.id, fact.segment.name) == ("seg_1", "Jo \ufffd")
    assert canonical_json(fact.customer.metadata) == '{"a":1.0,"b":"Jo \ufffd"}'
    assert decode_encoded(item.type, encode(fact)) == fact


def test_half_a_character_in_a_part_that_nobody_reads_makes_no_difference() -> None:
    event = entered("cust_1", "seg_1", at=MONDAY, note=_PLACE)
    assert decode(written(event, r'"\udfff"')) == decode(envelope(event))


def test_mending_one_value_does_not_rewrite_metadata() -> None:
    event = created("cust_1", at=MONDAY, source_id=7, metadata={"n": 1.0, "m": 1e2, "at": "x"})
    fact: Any = decode(envelope(event))
    assert canonical_json(fact.customer.metadata) == '{"at":"x","m":100.0,"n":1.0}'


def test_the_reason_is_that_of_the_value_that_cannot_be_mended() -> None:
    event = joined("cust_1", {"points": {"from": 1.0}}, at=MONDAY, created_at=MONDAY)
    fact = decode(envelope(event))
    assert isinstance(fact, UndecodableFact)
    assert "field `id` - at `$.loyalty_tier`" in fact.reason


def test_the_reason_does_not_depend_on_the_place_of_half_a_character() -> None:
    event = entered("cust_1", "seg_1", at=MONDAY)
    del event["data"]
    half = {**event, "type": _PLACE}
    [first], [second] = (
        sources.read(json.dumps(body, indent=indent).replace(_PLACE, r"\ud83c").encode(), HOME)
        for body, indent in ((half, None), (half, 2))
    )
    assert isinstance(first, Envelope)
    assert isinstance(second, Envelope)
    assert same_facts(
        structs.replace(second, customer_id="c"), structs.replace(first, customer_id="c")
    )
