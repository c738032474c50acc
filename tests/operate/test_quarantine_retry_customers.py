"""Retries of deliveries whose customer only the caller knows, and of webhooks with an offer."""

from projector.envelope import DeliveryDefaults
from projector.operate.quarantine import show_entry
from projector.operate.quarantine_retry import retry_quarantine
from projector.store.database import Database
from tests.support.given import Delivery, created, delivery, entered
from tests.support.items import read_log
from tests.support.quarantine import (
    HOME,
    arrive,
    entry,
    everything,
    repeats,
    retried,
    unfiled,
    waiting,
)

MONDAY = "2024-03-04T10:00:00Z"


def test_a_retry_with_a_customer_appends_deliveries_without_one_to_her_stream(
    database: Database,
) -> None:
    nameless = unfiled(delivery("customer.created", None, at=MONDAY))
    [waits] = arrive(database, nameless)
    told = DeliveryDefaults(project_id="proj_1", customer_id="cust_1")
    assert retry_quarantine(database, defaults=told) == retried(resolved=1)
    assert [each.customer_id for each in read_log(database)] == ["cust_1"]
    assert show_entry(database, waits).defaults == DeliveryDefaults()


def test_the_customer_of_the_arrival_wins_over_that_of_the_retry(database: Database) -> None:
    [_] = arrive(
        database,
        unfiled(created("cust_1", at=MONDAY)),
        defaults=DeliveryDefaults(project_id="proj_1", customer_id="cust_2"),
    )
    told = DeliveryDefaults(customer_id="cust_1")
    assert retry_quarantine(database, defaults=told) == retried(other_customer=1)


def test_a_conflict_keeps_the_customer_whom_the_caller_named(database: Database) -> None:
    """So that a retry reads the same delivery again."""
    caller = DeliveryDefaults(project_id="proj_1", customer_id="cust_1")
    for seg in ("seg_1", "seg_2"):
        event = delivery("customer.segment.entered", None, at=MONDAY, id="e1", segment={"id": seg})
        arrive(database, unfiled(event), defaults=caller)
    [waits] = waiting(database)
    assert show_entry(database, waits.quarantine_id).defaults.customer_id == "cust_1"
    before = everything(database)
    assert retry_quarantine(database) == retried(conflict=1)
    assert everything(database) == before


def _offered(event: Delivery, code: str) -> Delivery:
    return {**event, "data": {**event["data"], "voucher": {"id": f"v_{code}", "code": code}}}


def test_a_retried_webhook_brings_its_offer(database: Database) -> None:
    event = _offered(entered("cust_1", "seg_1", at=MONDAY, id="e1"), "A")
    [waits] = arrive(database, {**event, "project_id": None})
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=1)
    assert [each.event_id for each in read_log(database)] == ["e1", "e1~distr_1"]
    assert entry(database, waits).resolved_position == 1
    # The same webhook again repeats both.
    assert arrive(database, {**event, "project_id": None}, defaults=HOME) == []
    assert repeats(database) == {1: 1, 2: 1}


def test_the_conflict_of_an_event_is_not_closed_by_its_offer(database: Database) -> None:
    arrive(database, entered("cust_1", "seg_1", at=MONDAY, id="e1"))
    other = _offered(entered("cust_1", "seg_2", at=MONDAY, id="e1"), "A")
    [waits] = arrive(database, other)
    assert [each.source for each in read_log(database)] == ["webhook", "sending"]
    for _ in range(2):
        assert retry_quarantine(database) == retried(conflict=1)
    assert entry(database, waits).resolved_at is None
    assert [each.quarantine_id for each in waiting(database)] == [waits]


def test_the_conflict_of_an_offer_waits_with_the_offer_as_it_was_cut(database: Database) -> None:
    event = entered("cust_1", "seg_1", at=MONDAY, id="e1")
    [waits] = arrive(database, _offered(event, "A"), _offered(event, "B"))
    shown = show_entry(database, waits)
    assert (shown.reason, shown.event_id) == ("conflict", "e1~distr_1")
    assert '"code": "B"' in str(shown.body)
    assert retry_quarantine(database) == retried(conflict=1)
    assert [each.quarantine_id for each in waiting(database)] == [waits]
