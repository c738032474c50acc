"""What a rebuild keeps of a fact is all of it."""

import json

import attrs
import msgspec
import pytest
from hypothesis import given as for_any
from hypothesis import settings

from projector.envelope import DeliveryDefaults, Envelope
from projector.facts.codec import decode, decode_encoded, encode
from projector.facts.events import CustomerCreated, CustomerFact, DecodedFact
from projector.facts.metadata import canonical_json
from projector.intake import sources
from tests.support.given import Delivery, created, envelope
from tests.support.histories import webhooks

MONDAY = "2024-03-04T10:00:00Z"


@settings(max_examples=300)
@for_any(webhook=webhooks())
def test_a_fact_comes_back_from_what_a_rebuild_keeps_of_it(webhook: Delivery) -> None:
    event = envelope(webhook)
    fact = decode(event)
    if fact is not None:
        _comes_back(event.type, fact)


@pytest.mark.parametrize(
    "metadata",
    [
        "{}",
        "null",
        "[]",
        '"text"',
        "1e400",
        "-0.0",
        "1.10",
        "123456789012345678901234567890",
        '{"b": 1, "a": 2, "b": 3}',
        '{"nul": "\\u0000"}',
        ' { "spaced" : [ 1 , 2 ] } ',
        '"\u2028\uffff\U0001f600"',
        "[" * 200 + "]" * 200,
    ],
)
def test_odd_metadata_come_back_to_the_byte(metadata: str) -> None:
    body = json.dumps(created("cust_1", at=MONDAY, metadata="ODD")).replace('"ODD"', metadata)
    [event] = sources.read(body.encode(), DeliveryDefaults())
    assert isinstance(event, Envelope)
    fact = decode(event)
    assert isinstance(fact, CustomerCreated)
    again = _comes_back(event.type, fact)
    assert isinstance(again, CustomerCreated)
    assert fact.customer is not None
    assert again.customer is not None
    assert canonical_json(again.customer.metadata) == canonical_json(fact.customer.metadata)


def test_an_absent_key_is_not_encoded_as_null() -> None:
    for told in ({}, {"name": None}, {"name": ""}, {"metadata": None}):
        event = envelope(created("cust_1", at=MONDAY, **told))
        fact = decode(event)
        assert isinstance(fact, CustomerFact)
        again = _comes_back(event.type, fact)
        assert isinstance(again, CustomerFact)
        assert _told(again) == _told(fact)


def _told(fact: CustomerFact) -> set[str]:
    """The keys of the customer that an event has."""
    keys = attrs.asdict(fact.customer) if fact.customer is not None else {}
    return {name for name, value in keys.items() if value is not msgspec.UNSET}


def _comes_back(type_: str, fact: DecodedFact) -> DecodedFact:
    again = decode_encoded(type_, encode(fact))
    assert type(again) is type(fact)
    assert again == fact
    assert encode(again) == encode(fact)
    return again
