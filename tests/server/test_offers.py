"""Webhooks that carry an offer: two items in the log, one answer, and nothing dropped."""

import json
from typing import Any

import pytest

from projector.store.database import Database
from tests.support.given import Delivery, entered, left
from tests.support.http_client import Client, ndjson
from tests.support.items import read_log
from tests.support.server_process import SECRET
from tests.support.server_state import kept

_AT = "2024-03-01T10:00:00Z"
_PUBLISHED_AT = "2024-03-01T10:00:00.500Z"


def _offered(event: Delivery, code: str | None, distribution: str = "distr_1") -> Delivery:
    """The event as a distribution sends it: plain without a code."""
    source = {**event["source"], "id": distribution}
    publication = {"id": f"pub_{code}", "created_at": _PUBLISHED_AT}
    offer = {"voucher": {"id": f"v_{code}", "code": code}, "publication": publication}
    data = {**event["data"], **(offer if code else {})}
    return {**event, "source": source, "data": data}


def _told(outcome: str, position: int | None, reason: str | None = None) -> dict[str, Any]:
    return {"outcome": outcome, "position": position, "reason": reason}


def _codes(database: Database, customer_id: str) -> list[str]:
    events = [each for each in read_log(database) if each.customer_id == customer_id]
    sent = [json.loads(each.body)["data"] for each in events if each.source == "sending"]
    return [data["voucher"]["code"] for data in sent]


def test_an_event_with_an_offer_is_answered_once_with_the_position_of_the_event(
    client: Client, shared_database: Database
) -> None:
    head, aside = kept(shared_database)
    event = _offered(entered("cust_offer_1", "seg_1", at=_AT), "A")
    assert client.deliver(event, SECRET).json == _told("appended", head + 1)
    assert kept(shared_database) == (head + 2, aside)


def test_a_resend_repeats_both(client: Client, shared_database: Database) -> None:
    event = _offered(entered("cust_offer_2", "seg_1", at=_AT), "A")
    position = client.deliver(event, SECRET).json["position"]
    before = kept(shared_database)
    for _ in range(2):
        assert client.deliver(event, SECRET).json == _told("duplicate", position)
    assert kept(shared_database) == before
    page = client.get("/customers/cust_offer_2/events").json
    assert [(each["source"], each["duplicates"]) for each in page["events"]] == [
        ("webhook", 2),
        ("sending", 2),
    ]


@pytest.mark.parametrize("codes", [(None, "A", "B"), ("A", None, "B"), ("B", "A", None)])
def test_the_codes_of_all_distributions_are_kept_in_any_order(
    client: Client, shared_database: Database, codes: tuple[str | None, ...]
) -> None:
    customer_id = f"cust_{codes}"
    event = entered(customer_id, "seg_1", at=_AT)
    outcomes = [
        client.deliver(_offered(event, code, f"distr_{code}"), SECRET).json["outcome"]
        for code in codes
    ]
    assert outcomes == [
        "appended" if code or not at else "duplicate" for at, code in enumerate(codes)
    ]
    assert sorted(_codes(shared_database, customer_id)) == ["A", "B"]


def test_a_new_offer_of_a_known_event_is_answered_with_its_position(
    client: Client, shared_database: Database
) -> None:
    event = entered("cust_offer_3", "seg_1", at=_AT)
    client.deliver(_offered(event, None), SECRET)
    head, _ = kept(shared_database)
    got = client.deliver(_offered(event, "A", "distr_2"), SECRET)
    assert got.json == _told("appended", head + 1)


def test_another_code_of_one_distribution_for_one_event_is_a_conflict_and_kept(
    client: Client, shared_database: Database
) -> None:
    event = entered("cust_offer_4", "seg_1", at=_AT)
    client.deliver(_offered(event, "A"), SECRET)
    head, aside = kept(shared_database)
    assert client.deliver(_offered(event, "B"), SECRET).json == _told("conflict", head, "conflict")
    assert kept(shared_database) == (head, aside + 1)


def test_the_conflict_of_an_event_is_answered_though_its_offer_is_new(
    client: Client, shared_database: Database
) -> None:
    event = entered("cust_offer_5", "seg_1", at=_AT)
    position = client.deliver(_offered(event, None), SECRET).json["position"]
    other = entered("cust_offer_5", "seg_2", at=_AT, id=event["event"]["id"])
    got = client.deliver(_offered(other, "A"), SECRET)
    assert got.json == _told("conflict", position, "conflict")
    assert _codes(shared_database, "cust_offer_5") == ["A"]


def test_many_deliveries_have_an_outcome_for_each_offer_behind_its_event(client: Client) -> None:
    events = [entered("cust_offer_6", "seg_1", at=_AT), left("cust_offer_6", "seg_1", at=_AT)]
    body = ndjson(_offered(events[0], "A"), _offered(events[1], None), _offered(events[0], "A"))
    answer = client.post("/events", body).json
    assert (answer["read"], answer["appended"], answer["duplicates"]) == (5, 3, 2)
    assert [each["outcome"] for each in answer["items"]] == ["appended"] * 3 + ["duplicate"] * 2


def test_an_offer_is_no_event_of_its_customer(client: Client, shared_database: Database) -> None:
    """It counts nothing, and moves no time: the sender told one event."""
    event = _offered(entered("cust_offer_7", "seg_1", at=_AT), "A")
    client.deliver(event, SECRET)
    head, _ = kept(shared_database)
    answer = client.get(f"/customers/cust_offer_7?min_position={head}").json
    assert answer["last_event_at"] == "2024-03-01T10:00:00.000Z"
    assert answer["complete"] is True
