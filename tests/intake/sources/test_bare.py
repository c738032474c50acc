"""Bare data: the caller says what happened and when, the content is the identity."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from projector.envelope import DeliveryDefaults, Envelope
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    as_bytes,
    filed,
    rejected,
    segment_data,
    tier_data,
)

_ENTERED = DeliveryDefaults(
    project_id="proj_1", type="customer.segment.entered", occurred_at=HAPPENED_AT
)
_JOINED = DeliveryDefaults(project_id="proj_1", type="customer.loyalty.tier.joined")


def test_segment_data_take_type_and_time_from_the_caller() -> None:
    data = segment_data()
    item = filed(data, _ENTERED)
    assert item == Envelope(
        project_id="proj_1",
        event_id=item.event_id,
        type="customer.segment.entered",
        customer_id="cust_1",
        occurred_at=HAPPENED_AT,
        source="bare",
        body=as_bytes(data).decode(),
    )
    assert item.event_id.startswith("sha256:")


def test_tier_data_happened_when_the_tier_changed_not_when_it_was_defined() -> None:
    item = filed(tier_data(), _JOINED)
    assert item.occurred_at == datetime(2024, 3, 14, 9, 29, 32, 501_000, tzinfo=UTC)


def test_the_callers_time_comes_before_the_datas() -> None:
    item = filed(tier_data(), DeliveryDefaults(project_id="p", type="t", occurred_at=HAPPENED_AT))
    assert item.occurred_at == HAPPENED_AT


def test_an_empty_time_is_none() -> None:
    assert rejected(tier_data(created_at=""), _JOINED).reason == "missing_time"


def test_an_upgrade_is_recognised_by_its_tiers() -> None:
    data = tier_data(loyalty_tier=ABSENT, loyalty_tier_from={"id": "ltr_1"}, loyalty_tier_to=None)
    item = filed(data, DeliveryDefaults(project_id="p", type="customer.loyalty.tier.upgraded"))
    assert item.customer_id == "cust_1"


@pytest.mark.parametrize(
    ("given", "reason", "advice"),
    [
        pytest.param(
            DeliveryDefaults(project_id="p", occurred_at=HAPPENED_AT),
            "missing_type",
            "--type",
            id="type",
        ),
        pytest.param(
            DeliveryDefaults(project_id="p", type="t"), "missing_time", "--occurred-at", id="time"
        ),
        pytest.param(
            DeliveryDefaults(type="t", occurred_at=HAPPENED_AT),
            "missing_project",
            "--project",
            id="project",
        ),
    ],
)
def test_a_bare_body_without_defaults_is_rejected_with_what_is_missing(
    given: DeliveryDefaults, reason: str, advice: str
) -> None:
    item = rejected(segment_data(), given)
    assert item.reason == reason
    assert advice in item.detail


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"customer": {"id": "cust_1"}}, id="a customer alone"),
        pytest.param({"customer": {"id": "cust_1"}, "segment": "seg_1"}, id="segment is text"),
        pytest.param({"segment": {"id": "seg_1"}}, id="no customer"),
        pytest.param({"customer": "cust_1", "segment": {"id": "seg_1"}}, id="customer is text"),
    ],
)
def test_data_that_could_be_anything_are_no_shape_without_a_type(data: Any) -> None:
    assert (
        rejected(data, DeliveryDefaults(project_id="p", occurred_at=HAPPENED_AT)).reason
        == "unknown_shape"
    )


def test_a_customer_alone_is_bare_data_when_the_caller_gives_the_type() -> None:
    created = DeliveryDefaults(project_id="p", type="customer.created", occurred_at=HAPPENED_AT)
    assert filed({"customer": {"id": "cust_1"}}, created).customer_id == "cust_1"


def test_the_identity_does_not_hang_on_whitespace() -> None:
    dense = json.dumps(segment_data(), separators=(",", ":")).encode()
    loose = json.dumps(segment_data(), indent=3).replace("\n", "\r\n").encode()
    assert filed(dense, _ENTERED).event_id == filed(loose, _ENTERED).event_id


def test_whitespace_within_a_text_does_tell_two_events_apart() -> None:
    one, other = (
        filed(segment_data(segment={"id": "s", "name": name}), _ENTERED) for name in ("a b", "ab")
    )
    assert one.event_id != other.event_id


@pytest.mark.parametrize(
    ("data", "given"),
    [
        pytest.param(segment_data(segment={"id": "seg_2"}), _ENTERED, id="facts"),
        pytest.param(
            segment_data(),
            DeliveryDefaults(
                project_id="proj_1", type="customer.segment.left", occurred_at=HAPPENED_AT
            ),
            id="type",
        ),
        pytest.param(
            segment_data(),
            DeliveryDefaults(
                project_id="proj_1",
                type="customer.segment.entered",
                occurred_at=HAPPENED_AT.replace(microsecond=1),
            ),
            id="time",
        ),
    ],
)
def test_facts_type_and_time_make_the_identity(data: Any, given: DeliveryDefaults) -> None:
    assert filed(data, given).event_id != filed(segment_data(), _ENTERED).event_id


def test_the_identity_of_known_content_never_changes() -> None:
    """A stored database knows events by it: a new way to compute it would let them in twice."""
    body = b'{"customer":{"id":"cust_1"},"segment":{"id":"seg_1"}}'
    assert filed(body, _ENTERED).event_id == (
        "sha256:5509a3c74211338a8fdb2bab8ae6d8f65725697494bc465c2992fdfc43c9adc2"
    )
