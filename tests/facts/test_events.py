"""The vocabulary: what a fact takes from an event's data, and what it does without."""

from datetime import UTC, date, datetime
from typing import Any

import attrs
import msgspec
import pytest
from msgspec import UNSET, Raw

from projector.facts.events import (
    FACTS,
    Campaign,
    Customer,
    Expiration,
    SegmentEntered,
    Tier,
    TierExpirationChanged,
    TierJoined,
    TierUpgraded,
    iso_date,
)
from projector.facts.metadata import canonical_json


def read(kind: type[Any], data: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(data), type=kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", None),
        (' { "b" : 1, "a" : [ 1 , 2 ] } ', '{"a":[1,2],"b":1}'),
        ('{"a":{"d":1,"c":2}}', '{"a":{"c":2,"d":1}}'),
        ('"\\u00fc\\/"', '"ü/"'),
        ("1e2", "100.0"),
        ('{"a":1,"a":2}', '{"a":2}'),
        ('{"b":1180591620717411303424,"a":1}', '{"a":1,"b":1180591620717411303424}'),
        # What Python cannot hold stays as it was written.
        (' { "b": 1e400, "a": 1 } ', '{"b":1e400,"a":1}'),
        ('["\\ud800", 1]', '["\\ud800",1]'),
        ("[" * 5000 + " " + "]" * 5000, "[" * 5000 + "]" * 5000),
        # As JSON writes it, so that it can be kept in a text.
        ('"\\u0000"', '"\\u0000"'),
    ],
    ids=[
        "null",
        "whitespace",
        "inner keys",
        "escapes",
        "exponent",
        "key twice",
        "large integer",
        "beyond floats",
        "lone surrogate",
        "deep",
        "NUL",
    ],
)
def test_json_in_its_one_form(text: str, expected: str | None) -> None:
    assert canonical_json(Raw(text.encode())) == expected
    # What is long is not remembered, and has the same form.
    assert canonical_json(Raw(text.encode() + b" " * 1001)) == expected


def test_an_absent_value_has_no_textual_form() -> None:
    assert canonical_json(UNSET) is None


def test_an_absent_key_is_distinguished_from_null() -> None:
    customer = read(Customer, {"name": None})
    assert customer.name is None
    assert customer.email is UNSET
    assert read(Customer, {}) != read(Customer, {"metadata": None})


def test_metadata_is_equal_however_it_is_written() -> None:
    one = msgspec.json.decode(b'{"metadata":{"a":1,"b":[2]}}', type=Customer)
    other = msgspec.json.decode(b'{"metadata": { "b": [ 2 ], "a": 1 } }', type=Customer)
    assert one == other
    assert one != msgspec.json.decode(b'{"metadata":{"a":1,"b":[3]}}', type=Customer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-12-31T23:59:59-11:00", date(2024, 12, 31)),
        ("2024-12-31 and more", date(2024, 12, 31)),
    ],
)
def test_a_date_is_in_the_first_ten_characters(text: str | None, expected: date | None) -> None:
    assert iso_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2024-1-1", "2023-02-29", "20240101", "2024-W01-1x", "31.12.2024", "0000-01-01"]
)
def test_a_text_that_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        iso_date(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2024-1-1", "2024-1-1"),
        ("20240101T10", "20240101T1"),
        ("2024-01/01 and more", "2024-01/01"),
    ],
)
def test_the_error_for_an_invalid_date_quotes_its_first_characters(text: str, shown: str) -> None:
    with pytest.raises(ValueError, match=f"^'{shown}' is not an ISO date$"):
        iso_date(text)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, None),
        ({"points": {}}, None),
        ({"points": {"to": None}}, (None, None)),
        ({"points": None, "config": None}, None),
        ({"points": {"from": 1, "to": 2}}, (1, 2)),
        ({"points": {"from": 1}}, (1, None)),
        ({"config": {"points": {"from": 1, "to": 2}}}, (1, 2)),
        ({"points": {"from": 3, "to": 4}, "config": {"points": {"from": 1, "to": 2}}}, (3, 4)),
        ({"points": {"from": -(2**63), "to": 2**63 - 1}}, (-(2**63), 2**63 - 1)),
    ],
)
def test_the_points_of_a_tier(data: Any, expected: Any) -> None:
    assert read(Tier, {"id": "t", **data}).range == expected


@pytest.mark.parametrize("points", [2**63, -(2**63) - 1, 10**400, 1.5, "1", True])
def test_points_that_fit_no_column_are_refused(points: Any) -> None:
    text = f'{{"id":"t","points":{{"from":{msgspec.json.encode(points).decode()}}}}}'
    with pytest.raises(ValueError, match=r"points"):
        msgspec.json.decode(text, type=Tier)


def test_the_time_when_a_tier_was_defined_is_not_read() -> None:
    tier = {"id": "t", "created_at": "2020-01-01T00:00:00Z"}
    fact = read(TierJoined, {"loyalty_tier": tier, "campaign": {"id": "c"}})
    assert fact.created_at is None


def test_an_instant_may_have_any_offset_but_must_have_one() -> None:
    tier = {"loyalty_tier": {"id": "t"}, "campaign": {"id": "c"}}
    fact = read(TierJoined, {**tier, "created_at": "2024-03-04T01:00:00+05:45"})
    assert fact.created_at == datetime(2024, 3, 3, 19, 15, tzinfo=UTC)
    for text in ("2024-03-04T01:00:00", "yesterday", ""):
        with pytest.raises(ValueError, match=r"created_at"):
            read(TierJoined, {**tier, "created_at": text})


@pytest.mark.parametrize("id_", ["", "x" * 201, None, 7])
def test_an_id_that_cannot_be_filed_is_refused(id_: Any) -> None:
    with pytest.raises(ValueError, match=r"segment\.id"):
        read(SegmentEntered, {"segment": {"id": id_}})


def test_the_longest_id_can_be_filed() -> None:
    assert read(SegmentEntered, {"segment": {"id": "x" * 200}}).segment.id == "x" * 200


def test_a_move_is_in_the_campaign_of_the_event_of_the_new_tier_or_of_the_old_one() -> None:
    tiers = {
        "loyalty_tier_to": {"id": "t", "campaign_id": "of new"},
        "loyalty_tier_from": {"id": "f", "campaign_id": "of old"},
    }
    assert read(TierUpgraded, {**tiers, "campaign": {"id": "of event"}}).campaign_id == "of event"
    assert read(TierUpgraded, {**tiers, "campaign": None}).campaign_id == "of new"
    tiers["loyalty_tier_to"] = {"id": "t"}
    assert read(TierUpgraded, tiers).campaign_id == "of old"
    tiers["loyalty_tier_from"] = {"id": "f"}
    sentence = "no campaign is given, neither by data.campaign.id nor by the tier"
    with pytest.raises(ValueError, match=f"^{sentence}$"):
        _ = read(TierUpgraded, tiers).campaign_id


@pytest.mark.parametrize("kind", FACTS.values(), ids=FACTS)
def test_a_fact_is_a_frozen_value_of_keywords_only(kind: type[Any]) -> None:
    assert attrs.inspect(kind).is_frozen
    assert all(field.kw_only for field in attrs.fields(kind))


def test_every_type_has_a_class_of_its_own() -> None:
    assert len(set(FACTS.values())) == len(FACTS)


def test_a_source_id_is_bounded_and_may_be_empty() -> None:
    assert read(Customer, {"source_id": ""}).source_id == ""
    assert read(Customer, {"source_id": "x" * 200}).source_id == "x" * 200
    with pytest.raises(ValueError, match="source_id"):
        read(Customer, {"source_id": "x" * 201})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, None),
        ({"expiration": None}, None),
        ({"expiration": {}}, None),
        ({"expiration": {"expiration_date": "2025-06-30T22:00:00Z"}}, date(2025, 6, 30)),
    ],
)
def test_the_last_day_of_a_tier(data: Any, expected: date | None) -> None:
    assert read(Tier, {"id": "t", **data}).expires_on == expected


def test_the_class_of_each_type_says_its_name() -> None:
    assert {type_: (kind.__doc__ or "").split(":")[0] for type_, kind in FACTS.items()} == {
        type_: type_ for type_ in FACTS
    }
    customer = ["confirmed", "created", "deleted", "updated", "segment.entered", "segment.left"]
    tier = ["downgraded", "expiration.changed", "joined", "left", "prolonged", "upgraded"]
    assert {*FACTS} == {
        *(f"customer.{each}" for each in customer),
        *(f"customer.loyalty.tier.{each}" for each in tier),
    }


def test_the_campaign_is_the_events_own_or_else_the_tiers() -> None:
    tier = Tier(id="ltr_1", campaign_id="camp_tier")
    assert TierJoined(loyalty_tier=tier).campaign_id == "camp_tier"
    own = Campaign(id="camp_own")
    assert TierJoined(loyalty_tier=tier, campaign=own).campaign_id == "camp_own"


@pytest.mark.parametrize(
    ("told", "expected"),
    [(UNSET, date(2030, 1, 2)), (None, None), ("2031-03-04T00:00:00Z", date(2031, 3, 4))],
    ids=["not told", "no date", "a date"],
)
def test_a_changed_expiration_is_the_events_own_where_it_has_one(
    told: Any, expected: date | None
) -> None:
    tier = Tier(id="ltr_1", expiration=Expiration(expiration_date="2030-01-02"))
    assert TierExpirationChanged(loyalty_tier=tier, expiration_date=told).expires_on == expected
