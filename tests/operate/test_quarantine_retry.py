"""What was put aside is read again after a fix: nothing is lost by it, nothing comes in twice."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import Raw

from projector.envelope import DeliveryDefaults, Rejected
from projector.intake import sources
from projector.intake.ingest import ingest
from projector.intake.sources.header import Header
from projector.intake.sources.raw_envelope import RawEnvelope
from projector.operate.quarantine import list_quarantine, show_entry
from projector.operate.quarantine_retry import retry_quarantine
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store import append_plan, duplicates
from projector.store.append import append
from projector.store.database import Database
from tests.support.databases import rows
from tests.support.given import (
    Delivery,
    created,
    entered,
    envelope,
    in_shape,
    left,
)
from tests.support.items import quarantined, read_log
from tests.support.oracle import truth
from tests.support.quarantine import (
    ARRIVED_AT,
    HOME,
    arrive,
    entry,
    everything,
    repeats,
    retried,
    unfiled,
    waiting,
)
from tests.support.suppressions import erase

MONDAY, TUESDAY, WEDNESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6))


def test_what_was_erased_meanwhile_is_emptied_and_not_filed(database: Database) -> None:
    """Of a page too, whose other entries are filed; an entry that waits for more stays."""
    hers, his = (
        json.dumps(unfiled(entered(customer, "seg_1", at=MONDAY, id=f"e_{customer}"))).encode()
        for customer in ("cust_1", "cust_2")
    )
    page = b'{"object":"list","data_ref":"data","data":[%b,%b]}' % (hers, his)
    items = [Rejected(reason="missing_project", detail="-", body=each) for each in (hers, page)]
    append(database, [*items, Rejected(reason="x", detail="-", body=b"{")], received_at=ARRIVED_AT)
    with database.writing() as connection:
        erase(connection, ("proj_1", "cust_1"))
    head = read_log(database)[-1].position
    assert retry_quarantine(database, defaults=HOME) == retried(suppressed=2, broken_json=1)
    assert [each.customer_id for each in read_log(database)[head:]] == ["cust_2"]
    found = quarantined(database)
    assert [each["body"] for each in found] == [b"", b"", b"{"]
    assert [each["reason"] for each in found] == ["erased", "erased", "x"]
    assert [each["digest"] for each in found[:2]] == ["erased:1", "erased:2"]
    assert [each["resolved_position"] for each in found] == [None, head + 1, None]
    assert all(each["resolved_at"] for each in found[:2])
    assert retry_quarantine(database, defaults=HOME) == retried(broken_json=1)


def _without(key: str) -> Delivery:
    known = in_shape("minimal", entered("cust_1", "seg_1", at=MONDAY, id="e1"))
    return {name: value for name, value in known.items() if name != key}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        pytest.param("project_id", HOME, id="project"),
        pytest.param("type", DeliveryDefaults(type="customer.segment.entered"), id="type"),
        pytest.param(
            "created_at",
            DeliveryDefaults(occurred_at=datetime(2024, 3, 4, 10, tzinfo=UTC)),
            id="time",
        ),
    ],
)
def test_a_retry_with_defaults_appends_the_delivery_with_its_original_arrival(
    database: Database, missing: str, told: DeliveryDefaults
) -> None:
    [waits] = arrive(database, _without(missing))
    assert retry_quarantine(database).resolved == 0
    assert retry_quarantine(database, defaults=told) == retried(resolved=1)
    [event] = read_log(database)
    assert (event.event_id, event.project_id, event.type, event.occurred_at.isoformat()) == (
        "e1", "proj_1", "customer.segment.entered", "2024-03-04T10:00:00+00:00",
    )  # fmt: skip
    assert event.received_at == ARRIVED_AT
    closed = entry(database, waits)
    assert closed.resolved_position == event.position
    assert closed.resolved_at is not None
    assert closed.resolved_at > ARRIVED_AT


def test_a_resolved_entry_is_neither_listed_nor_counted(database: Database) -> None:
    resolved, still = arrive(database, unfiled(created("cust_1", at=MONDAY)), b"{")
    retry_quarantine(database, defaults=HOME)
    page = list_quarantine(database, limit=10)
    assert page.counts == {"broken_json": 1}
    assert [each.quarantine_id for each in page.quarantine] == [still]
    everyone = list_quarantine(database, resolved=True, limit=10)
    assert [each.quarantine_id for each in everyone.quarantine] == [resolved, still]
    assert everyone.counts == page.counts


def test_a_retry_appends_a_delivery_that_became_readable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {"shopper": "cust_1", "joined_us": MONDAY}
    arrive(database, payload)
    assert retry_quarantine(database) == retried(unknown_shape=1)

    def recognise(outline: Header, text: str, given: DeliveryDefaults) -> RawEnvelope:
        known = json.loads(text)
        return RawEnvelope(
            source="shop",
            project_id=given.project_id,
            event_id="e1",
            type="customer.created",
            customer_id=known["shopper"],
            occurred_at=known["joined_us"],
            content=memoryview(Raw(text.encode())),
        )

    monkeypatch.setattr(sources, "_recognize", recognise)
    assert retry_quarantine(database) == retried(missing_project=1)
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=1)
    assert [(each.source, each.customer_id) for each in read_log(database)] == [("shop", "cust_1")]


def test_the_defaults_of_the_arrival_win_over_those_of_the_retry(database: Database) -> None:
    then = DeliveryDefaults(project_id="proj_1", type="customer.created")
    lacking = {"id": "e1", "data": {"customer": {"id": "cust_1"}}}
    arrive(database, lacking, defaults=then)
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    told = DeliveryDefaults(project_id="proj_2", type="customer.deleted", occurred_at=noon)
    assert retry_quarantine(database, defaults=told) == retried(resolved=1)
    [event] = read_log(database)
    assert (event.project_id, event.type, event.occurred_at) == ("proj_1", then.type, noon)


def test_a_conflict_in_one_project_does_not_come_in_as_an_event_of_another(
    database: Database,
) -> None:
    """As when the whole quarantine is read again because some entries lack their project."""
    arrive(database, unfiled(entered("cust_1", "seg_1", at=MONDAY, id="e1")), defaults=HOME)
    arrive(database, unfiled(entered("cust_1", "seg_2", at=MONDAY, id="e1")), defaults=HOME)
    before = everything(database)
    assert retry_quarantine(database, defaults=DeliveryDefaults(project_id="proj_2")) == retried(
        conflict=1
    )
    assert everything(database) == before


def test_an_entry_whose_event_came_in_otherwise_is_closed_with_its_position(
    database: Database,
) -> None:
    happened = created("cust_1", at=MONDAY, id="e1")
    [waits] = arrive(database, unfiled(happened))
    arrive(database, created("cust_0", at=MONDAY), happened)
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=1)
    assert entry(database, waits).resolved_position == 2
    assert len(read_log(database)) == 2
    assert repeats(database) == {2: 1}


def test_a_retried_delivery_that_contradicts_the_log_waits_as_a_conflict(
    database: Database,
) -> None:
    known = entered("cust_1", "seg_1", at=MONDAY, id="e1")
    other = unfiled(entered("cust_1", "seg_2", at=MONDAY, id="e1"))
    arrive(database, known)
    [before] = arrive(database, other)
    assert retry_quarantine(database, defaults=HOME) == retried(conflict=1)
    assert [each.body for each in read_log(database)] == [json.dumps(known)]
    [still] = waiting(database)
    assert (still.reason, still.event_id, still.received_at) == ("conflict", "e1", ARRIVED_AT)
    assert show_entry(database, still.quarantine_id).body == json.dumps(other)
    assert entry(database, before).resolved_position == 1
    # Again and again, it remains the one entry.
    for _ in range(2):
        assert retry_quarantine(database, defaults=HOME) == retried(conflict=1)
    assert list(waiting(database)) == [still]


def test_the_first_of_two_contradicting_entries_is_appended(
    database: Database,
) -> None:
    first, second = (
        unfiled(entered("cust_1", each, at=MONDAY, id="e1")) for each in ("seg_1", "seg_2")
    )
    arrive(database, first, second)
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=1, conflict=1)
    assert [each.body for each in read_log(database)] == [json.dumps(first)]
    assert [each.reason for each in waiting(database)] == ["conflict"]


def test_a_conflict_that_is_none_any_more_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = entered("cust_1", "seg_1", at=MONDAY, id="e1")
    arrive(database, known)
    [waits] = arrive(database, entered("cust_1", "seg_2", at=MONDAY, id="e1"))
    assert retry_quarantine(database) == retried(conflict=1)
    monkeypatch.setattr(append_plan, "same_facts", lambda _one, _other: True)
    assert retry_quarantine(database) == retried(resolved=1)
    assert entry(database, waits).resolved_position == 1
    assert len(read_log(database)) == 1


def test_every_entry_of_a_page_that_became_readable_has_its_outcome(database: Database) -> None:
    happened = [unfiled(entered("cust_1", f"seg_{n}", at=MONDAY, id=f"e{n}")) for n in range(3)]
    timeless = {**unfiled(created("cust_2", at=MONDAY)), "created_at": None}
    page = {"object": "list", "data_ref": "data", "data": [timeless, *happened], "has_more": False}
    put_aside = Rejected(
        reason="unknown_shape", detail="Not yet known.", body=json.dumps(page).encode()
    )
    append(database, [put_aside], received_at=ARRIVED_AT)
    assert retry_quarantine(database, defaults=HOME) == retried(missing_time=1)
    assert [each.event_id for each in read_log(database)] == ["e0", "e1", "e2"]
    assert {each.received_at for each in read_log(database)} == {ARRIVED_AT}
    [rest] = waiting(database)
    assert (rest.reason, rest.received_at) == ("missing_time", ARRIVED_AT)
    assert show_entry(database, rest.quarantine_id).body == json.dumps(timeless)


def test_an_entry_that_is_still_unreadable_is_counted_by_its_present_reason(
    database: Database,
) -> None:
    timeless = {**unfiled(created("cust_2", at=MONDAY)), "created_at": None}
    arrive(database, b"{", b"[", b"", b"\xff", timeless, unfiled(created("cust_1", at=MONDAY)))
    before = quarantined(database)
    with_time = DeliveryDefaults(occurred_at=ARRIVED_AT)
    assert retry_quarantine(database, defaults=with_time) == retried(
        broken_json=3, missing_project=2, not_utf8=1
    )
    assert quarantined(database) == before
    assert retry_quarantine(database, defaults=HOME) == retried(
        resolved=1, broken_json=3, missing_time=1, not_utf8=1
    )


def test_deliveries_of_different_days_keep_the_time_of_their_arrival(database: Database) -> None:
    arrivals = [ARRIVED_AT + timedelta(days=number) for number in (2, 0, 2, 1)]
    for number, at in enumerate(arrivals):
        arrive(database, unfiled(created(f"cust_{number}", at=MONDAY)), at=at)
    retry_quarantine(database, defaults=HOME)
    assert [each.received_at for each in read_log(database)] == arrivals


def test_a_late_event_from_the_quarantine_is_folded_in_canonical_order(
    database: Database,
) -> None:
    happened = [
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
    ]
    arrive(database, unfiled(happened[0]))
    arrive(database, happened[2], unfiled(happened[1]))
    catch_up(database, discover())
    assert retry_quarantine(database, defaults=HOME) == retried(resolved=2)
    catch_up(database, discover())
    assert [each.late for each in read_log(database)] == [False, True, True]
    assert rows(database) == truth(discover(), map(envelope, happened)).rows


def test_a_delivery_that_was_resolved_and_comes_again_does_not_wait_again(
    database: Database,
) -> None:
    body = unfiled(created("cust_1", at=MONDAY))
    [known] = arrive(database, body)
    retry_quarantine(database, defaults=HOME)
    closed = entry(database, known)
    assert arrive(database, body, at=ARRIVED_AT + timedelta(days=1)) == []
    assert entry(database, known) == closed
    assert len(read_log(database)) == 1
    # It repeats the event that the retry has filed.
    report = ingest(database, [json.dumps(body).encode()], DeliveryDefaults())
    assert (report.duplicates, report.quarantined) == (1, 0)
    with database.reading() as connection:
        assert duplicates.find(connection, [1])[1].count == 2


def test_one_body_of_two_projects_is_two_entries_and_two_events(database: Database) -> None:
    timeless = {"id": "e1", "type": "customer.created", "data": {"customer": {"id": "cust_1"}}}
    for project_id in ("proj_1", "proj_2", "proj_1"):
        arrive(database, timeless, defaults=DeliveryDefaults(project_id=project_id))
    assert len(waiting(database)) == 2
    done = retry_quarantine(
        database, defaults=DeliveryDefaults(project_id="other", occurred_at=ARRIVED_AT)
    )
    assert done == retried(resolved=2)
    assert [each.project_id for each in read_log(database)] == ["proj_1", "proj_2"]
    positions = [each["resolved_position"] for each in quarantined(database)]
    assert positions == [1, 2]
