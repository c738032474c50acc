"""Offers that a webhook carries beside its event: each is a delivery of its own."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from projector.envelope import Envelope
from projector.facts.codec import same_facts
from projector.intake.sources import sending
from tests.support.shapes import (
    ABSENT,
    HAPPENED_AT,
    activity,
    as_bytes,
    changed,
    cloudevent,
    distribution,
    event_part,
    filed,
    minimal,
    offer_data,
    page,
    project_webhook,
    read_all,
    segment_data,
    sender,
)

_PUBLISHED_AT = datetime(2025, 10, 16, 16, 54, 11, 750_000, tzinfo=UTC)

#: The event types in which a distribution may send an offer, with the object that caused them.
CAUSES = {
    "customer.segment.entered": "segment",
    "customer.segment.left": "segment",
    "customer.order.created": "order",
    "customer.order.updated": "order",
    "customer.order.paid": "order",
    "customer.order.canceled": "order",
    "customer.custom_event": "event",
    "manual_distribution_schedule": "distribution",
}


def _both(body: Any) -> tuple[Envelope, Envelope]:
    """The event of a webhook with an offer, and its sending."""
    event, sent = read_all(body)
    assert isinstance(event, Envelope)
    assert isinstance(sent, Envelope)
    assert event.body.encode() == (body if isinstance(body, bytes) else as_bytes(body))
    return event, sent


def test_a_webhook_with_an_offer_is_its_event_and_a_sending() -> None:
    event, sent = _both(distribution(data=offer_data()))
    assert (event.event_id, event.type, event.source) == (
        "evcus_1",
        "customer.segment.entered",
        "webhook",
    )
    assert sent == Envelope(
        project_id="proj_1",
        event_id="evcus_1~distr_1",
        type="projector.offer.sent",
        customer_id="cust_1",
        occurred_at=_PUBLISHED_AT,
        source="sending",
        body=sent.body,
        sender="distr_1",
    )
    publication = offer_data()["publication"]
    del publication["customer"]
    assert json.loads(sent.body) == {
        "id": "evcus_1~distr_1",
        "type": "projector.offer.sent",
        "created_at": "2025-10-16T16:54:11.750Z",
        "project_id": "proj_1",
        "data": {
            "customer": {"id": "cust_1"},
            "because": {
                "event_id": "evcus_1",
                "type": "customer.segment.entered",
                "segment": segment_data()["segment"],
            },
            "distribution_id": "distr_1",
            "publication": publication,
            "voucher": offer_data()["voucher"],
            "campaign": offer_data()["campaign"],
        },
    }


@pytest.mark.parametrize(("type_", "cause"), CAUSES.items())
def test_eight_types_have_sendings_with_their_cause(type_: str, cause: str) -> None:
    data = offer_data(**{"segment": ABSENT, cause: {"id": "x", "name": "y"}})
    _, sent = _both(distribution(event=event_part(type=type_), data=data))
    because = json.loads(sent.body)["data"]["because"]
    assert because == {"event_id": "evcus_1", "type": type_, cause: {"id": "x", "name": "y"}}


@pytest.mark.parametrize(
    "type_",
    ["customer.redemption.succeeded", "customer.publication.succeeded", "voucher.published", "x"],
)
def test_a_voucher_that_is_a_fact_of_the_event_is_no_sending(type_: str) -> None:
    filed(distribution(event=event_part(type=type_), data=offer_data()))


@pytest.mark.parametrize(
    "changes",
    [
        {"publication": ABSENT, "voucher": ABSENT},
        {"publication": None, "voucher": None},
        {"publication": ABSENT, "voucher": "SPRING-1"},
        {"publication": [], "voucher": 7, "promotion_tier": True},
    ],
)
def test_a_plain_message_is_its_event_alone(changes: Any) -> None:
    filed(distribution(data=offer_data(**changes)))


@pytest.mark.parametrize("part", ["publication", "voucher", "promotion_tier"])
def test_any_part_of_an_offer_makes_a_sending(part: str) -> None:
    data = segment_data(**{part: {"id": "one"}})
    _, sent = _both(distribution(data=data))
    assert json.loads(sent.body)["data"][part] == {"id": "one"}
    assert sent.occurred_at == HAPPENED_AT


def test_only_webhooks_have_sendings() -> None:
    """An event that the activity or a bus repeats was not sent a second time."""
    for body in (minimal(data=offer_data()), cloudevent(data=offer_data())):
        filed(body)
    assert len(read_all(page(activity(data={"data": offer_data()}, project_id="proj_1")))) == 1


def test_a_project_webhook_may_carry_an_offer_too() -> None:
    data = {**offer_data(), "order": {"id": "ord_1"}}
    body = project_webhook(event=event_part(type="customer.order.paid"), data=data)
    assert _both(body)[1].event_id == "evcus_1~wh_1"


def test_a_webhook_in_a_page_has_its_sending_behind_it() -> None:
    ids = [item.event_id for item in read_all(page(distribution(data=offer_data()), minimal()))]
    assert ids == ["evcus_1", "evcus_1~distr_1", "evcus_1"]


def test_two_distributions_are_one_event_and_two_sendings() -> None:
    plain = filed(distribution(id="whs_0", source=sender("distr_0")))
    one, first = _both(distribution(data=offer_data()))
    code = {"id": "v_2", "code": "SPRING-2"}
    body = distribution(id="whs_2", source=sender("distr_2"), data=offer_data(voucher=code))
    other, second = _both(body)
    assert plain.event_id == one.event_id == other.event_id
    assert same_facts(one, plain)
    assert same_facts(other, one)
    assert (first.event_id, second.event_id) == ("evcus_1~distr_1", "evcus_1~distr_2")


def test_a_resend_is_the_same_event_and_the_same_sending() -> None:
    one = _both(distribution(data=offer_data()))
    again = _both(distribution(id="whs_9", created_at="2025-10-17T00:00:00Z", data=offer_data()))
    for each, other in zip(one, again, strict=True):
        assert each.event_id == other.event_id
        assert same_facts(other, each)


def test_a_sending_with_the_customer_at_another_moment_is_the_same() -> None:
    later = offer_data(customer={"id": "cust_1", "name": "Alexa"})
    later["voucher"]["redemption"] = {"redeemed_quantity": 1}
    _, one = _both(distribution(data=offer_data()))
    _, other = _both(distribution(data=later))
    assert same_facts(other, one)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("voucher", {"id": "v_1", "code": "SPRING-2"}),
        ("voucher", {"id": "v_2", "code": "SPRING-1"}),
        ("publication", {"id": "pub_2", "created_at": "2025-10-16T16:54:11.750Z"}),
        ("publication", {"id": "pub_1", "created_at": "2025-10-16T16:54:11.751Z"}),
        ("promotion_tier", {"id": "promo_1"}),
    ],
)
def test_one_distribution_that_sends_another_offer_for_one_event_is_a_conflict(
    part: str, value: Any
) -> None:
    """So that no code is dropped."""
    _, one = _both(distribution(data=offer_data()))
    event, other = _both(distribution(data=offer_data(**{part: value})))
    assert other.event_id == one.event_id
    assert not same_facts(other, one)
    assert same_facts(event, _both(distribution(data=offer_data()))[0])


@pytest.mark.parametrize(
    "published",
    [ABSENT, None, "", "yesterday", 7, "2025-10-16T16:54:11", "2025-10-16T23:58:60Z", ["x"]],
)
def test_without_a_time_of_publication_the_sending_is_at_the_time_of_the_event(
    published: Any,
) -> None:
    publication = changed({"id": "pub_1"}, {"created_at": published})
    _, sent = _both(distribution(data=offer_data(publication=publication)))
    assert sent.occurred_at == HAPPENED_AT
    assert json.loads(sent.body)["data"]["publication"] == publication


@pytest.mark.parametrize(
    "source", [ABSENT, None, "distr_1", [], sender(ABSENT), sender(""), sender(7), sender("a\0")]
)
def test_without_a_distribution_the_offer_tells_sendings_apart(source: Any) -> None:
    _, one = _both(distribution(source=source, data=offer_data()))
    _, again = _both(distribution(id="whs_2", source=source, data=offer_data()))
    _, other = _both(distribution(source=source, data=offer_data(voucher={"code": "SPRING-2"})))
    assert one.event_id == again.event_id
    assert one.event_id != other.event_id
    assert one.event_id.startswith("sha256:")
    assert json.loads(one.body)["data"]["distribution_id"] is None


@pytest.mark.parametrize(("length", "hashed"), [(200 - len("~distr_1"), False), (193, True)])
def test_an_id_that_would_be_too_long_is_hashed(length: int, hashed: bool) -> None:
    event_id = "e" * length
    _, sent = _both(distribution(event=event_part(id=event_id), data=offer_data()))
    assert (sent.event_id != f"{event_id}~distr_1") is hashed
    assert sent.event_id.startswith("sha256:") is hashed


def test_the_parts_are_cut_out_byte_for_byte() -> None:
    voucher = rb'{ "id" :"v_1","gift":{"amount":1.50, "n": 1E2},"code":"\u00c4-\/\n" }'
    whole = as_bytes(distribution(data=offer_data(voucher="@here@")))
    _, sent = _both(whole.replace(b'"@here@"', voucher))
    assert b'"voucher":' + voucher in sent.body.encode()


def test_half_a_character_stays_in_a_sending_as_it_came() -> None:
    whole = as_bytes(distribution(data=offer_data(voucher={"id": "v_1", "name": "@here@"})))
    _, sent = _both(whole.replace(b"@here@", rb"Jo \ud83c \u0000 \\u0000"))
    assert rb'"name": "Jo \ud83c \u0000 \\u0000"' in sent.body.encode()
    assert sent.event_id == "evcus_1~distr_1"
    assert same_facts(sent, _both(distribution(data=offer_data(voucher={"id": "v_1"})))[1])


@pytest.mark.parametrize("customer", [None, ABSENT, {"id": ""}])
def test_the_sending_is_about_the_customer_of_the_event(customer: Any) -> None:
    data = offer_data(customer=customer)
    _, sent = _both(distribution(data=data))
    assert sent.customer_id == "cust_1", "the entity of the event"
    nobody = distribution(event=event_part(entity_id=None), data=data)
    _, sent = _both(nobody)
    assert sent.customer_id is None
    assert json.loads(sent.body)["data"]["customer"] is None


def test_a_sending_that_is_read_again_is_itself() -> None:
    """From a file with the events of another log: then nobody sends it."""
    _, sent = _both(distribution(data=offer_data()))
    again = filed(sent.body.encode(), allows_own_types=True)
    assert again == replace(sent, sender="")


def test_an_event_that_cannot_be_filed_has_no_sending() -> None:
    """A retry reads the whole webhook again."""
    assert len(read_all(distribution(event=event_part(created_at="x"), data=offer_data()))) == 1


def test_keys_written_with_escapes_are_the_same_keys() -> None:
    body = as_bytes(distribution(data=segment_data(voucher={"id": "v_1"})))
    _, sent = _both(body.replace(b'"voucher"', rb'"\u0076oucher"'))
    assert json.loads(sent.body)["data"]["voucher"] == {"id": "v_1"}


def test_the_last_of_two_equal_keys_counts() -> None:
    body = as_bytes(distribution(data=segment_data(voucher={"id": "v_1"})))
    twice = body.replace(b'"voucher"', b'"voucher": {"id": "v_0"}, "voucher"')
    assert json.loads(_both(twice)[1].body)["data"]["voucher"] == {"id": "v_1"}
    filed(body.replace(b'{"id": "v_1"}', b'{"id": "v_1"}, "voucher": null'))


def test_what_is_no_event_has_nothing_to_cut() -> None:
    [item] = read_all(cloudevent(data=offer_data()))
    assert isinstance(item, Envelope)
    assert sending.cut(item) is None
