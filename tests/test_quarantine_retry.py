"""What was put aside is read again after a fix: nothing is lost by it, nothing comes in twice."""

import json
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import Raw

from projector import sources
from projector.envelope import Given, Rejected
from projector.errors import BadIdentifier, QuarantineEntryNotFound
from projector.ingest import ingest
from projector.projections import discover
from projector.quarantine import (
    QuarantineRetried,
    list_quarantine,
    retry_quarantine,
    show_entry,
)
from projector.runner import catch_up
from projector.sources.draft import Draft
from projector.sources.outline import Outline
from projector.store import duplicates, numbering, quarantine
from projector.store.append import append
from projector.store.engine import Database
from projector.store.quarantine import Entry
from tests.databases import rows
from tests.given import Delivery, created, entered, envelope, in_shape, left, updated
from tests.oracle import truth
from tests.store.items import logged, quarantined

MONDAY, TUESDAY, WEDNESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6))
#: When the deliveries came; long before anybody reads them again.
ARRIVED_AT = datetime(2024, 4, 1, tzinfo=UTC)
HOME = Given(project_id="proj_1")


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


def arrive(
    database: Database,
    *bodies: bytes | Delivery,
    given: Given = Given(),  # noqa: B008 - a frozen value
    at: datetime = ARRIVED_AT,
) -> list[int]:
    """Deliveries come in; gives the ids of the entries that wait afterwards."""
    items = [
        item
        for body in bodies
        for item in sources.read(body if isinstance(body, bytes) else _body(body), given)
    ]
    append(database, items, received_at=at)
    return [each.quarantine_id for each in waiting(database)]


def waiting(database: Database) -> Sequence[Entry]:
    return list_quarantine(database, limit=1000).quarantine


def entry(database: Database, quarantine_id: int) -> Entry:
    with database.reading() as connection:
        [found] = quarantine.find(connection, [quarantine_id])
    return found


def repeats(database: Database) -> dict[int, int]:
    """How often the events came again, by position."""
    with database.reading() as connection:
        found = duplicates.find(connection, list(range(1, 100)))
    return {position: each.count for position, each in found.items()}


def everything(database: Database) -> list[Any]:
    """All that a retry may change."""
    return [logged(database), quarantined(database), repeats(database)]


def unfiled(webhook: Delivery) -> Delivery:
    """The delivery in a shape that does not tell its project."""
    return in_shape("activity", webhook)


def _body(document: object) -> bytes:
    return json.dumps(document).encode()


def _done(*, resolved: int = 0, **reasons: int) -> QuarantineRetried:
    still = sum(reasons.values())
    return QuarantineRetried(
        tried=resolved + still, resolved=resolved, waiting=still, reasons=reasons
    )


def _without(key: str) -> Delivery:
    known = in_shape("minimal", entered("cust_1", "seg_1", at=MONDAY, id="e1"))
    return {name: value for name, value in known.items() if name != key}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        pytest.param("project_id", HOME, id="project"),
        pytest.param("type", Given(type="customer.segment.entered"), id="type"),
        pytest.param(
            "created_at", Given(occurred_at=datetime(2024, 3, 4, 10, tzinfo=UTC)), id="time"
        ),
    ],
)
def test_what_the_caller_adds_now_files_the_delivery_as_of_its_arrival(
    database: Database, missing: str, told: Given
) -> None:
    [waits] = arrive(database, _without(missing))
    assert retry_quarantine(database).resolved == 0
    assert retry_quarantine(database, given=told) == _done(resolved=1)
    [event] = logged(database)
    assert (event.event_id, event.project_id, event.type, event.occurred_at.isoformat()) == (
        "e1", "proj_1", "customer.segment.entered", "2024-03-04T10:00:00+00:00",
    )  # fmt: skip
    assert event.received_at == ARRIVED_AT
    closed = entry(database, waits)
    assert closed.resolved_position == event.position
    assert closed.resolved_at is not None
    assert closed.resolved_at > ARRIVED_AT


def test_what_is_resolved_waits_and_counts_no_more(database: Database) -> None:
    resolved, still = arrive(database, unfiled(created("cust_1", at=MONDAY)), b"{")
    retry_quarantine(database, given=HOME)
    page = list_quarantine(database, limit=10)
    assert page.counts == {"broken_json": 1}
    assert [each.quarantine_id for each in page.quarantine] == [still]
    everyone = list_quarantine(database, resolved=True, limit=10)
    assert [each.quarantine_id for each in everyone.quarantine] == [resolved, still]
    assert everyone.counts == page.counts


def test_what_the_program_has_learnt_to_read_comes_in(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    payload = {"shopper": "cust_1", "joined_us": MONDAY}
    arrive(database, payload)
    assert retry_quarantine(database) == _done(unknown_shape=1)

    def recognise(outline: Outline, text: str, given: Given) -> Draft:
        known = json.loads(text)
        return Draft(
            source="shop",
            project_id=given.project_id,
            event_id="e1",
            type="customer.created",
            customer_id=known["shopper"],
            occurred_at=known["joined_us"],
            content=memoryview(Raw(text.encode())),
        )

    monkeypatch.setattr(sources, "_recognise", recognise)
    assert retry_quarantine(database) == _done(missing_project=1)
    assert retry_quarantine(database, given=HOME) == _done(resolved=1)
    assert [(each.source, each.customer_id) for each in logged(database)] == [("shop", "cust_1")]


def test_what_was_told_then_is_not_replaced_by_what_is_told_now(database: Database) -> None:
    then = Given(project_id="proj_1", type="customer.created")
    lacking = {"id": "e1", "data": {"customer": {"id": "cust_1"}}}
    arrive(database, lacking, given=then)
    noon = datetime(2024, 3, 1, 12, tzinfo=UTC)
    told = Given(project_id="proj_2", type="customer.deleted", occurred_at=noon)
    assert retry_quarantine(database, given=told) == _done(resolved=1)
    [event] = logged(database)
    assert (event.project_id, event.type, event.occurred_at) == ("proj_1", then.type, noon)


def test_a_conflict_in_one_project_does_not_come_in_as_an_event_of_another(
    database: Database,
) -> None:
    """As when the whole quarantine is read again because some entries lack their project."""
    arrive(database, unfiled(updated("cust_1", at=MONDAY, id="e1", name="Ada")), given=HOME)
    arrive(database, unfiled(updated("cust_1", at=MONDAY, id="e1", name="Eve")), given=HOME)
    before = everything(database)
    assert retry_quarantine(database, given=Given(project_id="proj_2")) == _done(conflict=1)
    assert everything(database) == before


def test_an_entry_whose_event_came_in_otherwise_is_closed_with_its_position(
    database: Database,
) -> None:
    happened = created("cust_1", at=MONDAY, id="e1")
    [waits] = arrive(database, unfiled(happened))
    arrive(database, created("cust_0", at=MONDAY), happened)
    assert retry_quarantine(database, given=HOME) == _done(resolved=1)
    assert entry(database, waits).resolved_position == 2
    assert len(logged(database)) == 2
    assert repeats(database) == {2: 1}


def test_what_contradicts_the_event_that_stands_waits_as_a_conflict(database: Database) -> None:
    known = updated("cust_1", at=MONDAY, id="e1", name="Ada")
    other = unfiled(updated("cust_1", at=MONDAY, id="e1", name="Eve"))
    arrive(database, known)
    [before] = arrive(database, other)
    assert retry_quarantine(database, given=HOME) == _done(conflict=1)
    assert [each.body for each in logged(database)] == [json.dumps(known)]
    [still] = waiting(database)
    assert (still.reason, still.event_id, still.received_at) == ("conflict", "e1", ARRIVED_AT)
    assert show_entry(database, still.quarantine_id).body == json.dumps(other)
    assert entry(database, before).resolved_position == 1
    # Again and again, it remains the one entry.
    for _ in range(2):
        assert retry_quarantine(database, given=HOME) == _done(conflict=1)
    assert list(waiting(database)) == [still]


def test_of_two_entries_that_contradict_each_other_the_first_one_comes_in(
    database: Database,
) -> None:
    first, second = (
        unfiled(updated("cust_1", at=MONDAY, id="e1", name=name)) for name in ("Ada", "Eve")
    )
    arrive(database, first, second)
    assert retry_quarantine(database, given=HOME) == _done(resolved=1, conflict=1)
    assert [each.body for each in logged(database)] == [json.dumps(first)]
    assert [each.reason for each in waiting(database)] == ["conflict"]


def test_a_conflict_that_is_none_any_more_is_closed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = updated("cust_1", at=MONDAY, id="e1", name="Ada")
    arrive(database, known)
    [waits] = arrive(database, updated("cust_1", at=MONDAY, id="e1", name="ADA"))
    assert retry_quarantine(database) == _done(conflict=1)
    monkeypatch.setattr(numbering, "same_facts", lambda _one, _other: True)
    assert retry_quarantine(database) == _done(resolved=1)
    assert entry(database, waits).resolved_position == 1
    assert len(logged(database)) == 1


def test_of_a_page_that_can_be_read_now_every_entry_has_its_end(database: Database) -> None:
    happened = [unfiled(entered("cust_1", f"seg_{n}", at=MONDAY, id=f"e{n}")) for n in range(3)]
    timeless = {**unfiled(created("cust_2", at=MONDAY)), "created_at": None}
    page = {"object": "list", "data_ref": "data", "data": [timeless, *happened], "has_more": False}
    put_aside = Rejected(reason="unknown_shape", detail="Not yet known.", body=_body(page))
    append(database, [put_aside], received_at=ARRIVED_AT)
    assert retry_quarantine(database, given=HOME) == _done(missing_time=1)
    assert [each.event_id for each in logged(database)] == ["e0", "e1", "e2"]
    assert {each.received_at for each in logged(database)} == {ARRIVED_AT}
    [rest] = waiting(database)
    assert (rest.reason, rest.received_at) == ("missing_time", ARRIVED_AT)
    assert show_entry(database, rest.quarantine_id).body == json.dumps(timeless)


def test_what_still_cannot_be_read_stays_and_is_counted_by_what_keeps_it_now(
    database: Database,
) -> None:
    timeless = {**unfiled(created("cust_2", at=MONDAY)), "created_at": None}
    arrive(database, b"{", b"[", b"", b"\xff", timeless, unfiled(created("cust_1", at=MONDAY)))
    before = quarantined(database)
    with_time = Given(occurred_at=ARRIVED_AT)
    assert retry_quarantine(database, given=with_time) == _done(
        broken_json=3, missing_project=2, not_utf8=1
    )
    assert quarantined(database) == before
    assert retry_quarantine(database, given=HOME) == _done(
        resolved=1, broken_json=3, missing_time=1, not_utf8=1
    )


@pytest.mark.parametrize("which", ["all", "ids"])
def test_a_second_retry_changes_nothing(database: Database, which: str) -> None:
    ids = arrive(database, unfiled(created("cust_1", at=MONDAY)), b"{")
    retry_quarantine(database, given=HOME)
    before = everything(database)
    again = retry_quarantine(database, ids if which == "ids" else None, given=HOME)
    assert again == _done(resolved=int(which == "ids"), broken_json=1)
    assert everything(database) == before


def test_only_the_entries_that_were_named_are_read_again(database: Database) -> None:
    one, other, third = arrive(
        database, *(unfiled(created(f"cust_{n}", at=MONDAY)) for n in range(3))
    )
    done = retry_quarantine(database, [third, one, one], given=HOME)
    assert done == _done(resolved=2)
    assert [each.quarantine_id for each in waiting(database)] == [other]
    assert [each.customer_id for each in logged(database)] == ["cust_0", "cust_2"]


@pytest.mark.parametrize("unknown", [0, -1, 2**31, 2**63 - 1, 2**63, -(2**70)])
def test_with_an_unknown_id_among_them_nothing_is_done(database: Database, unknown: int) -> None:
    [known] = arrive(database, unfiled(created("cust_1", at=MONDAY)))
    with pytest.raises(QuarantineEntryNotFound, match=str(unknown)):
        retry_quarantine(database, [known, unknown], given=HOME)
    assert logged(database) == []
    with pytest.raises(QuarantineEntryNotFound, match=str(unknown)):
        show_entry(database, unknown)


def test_only_the_entries_of_a_reason_are_read_again(database: Database) -> None:
    arrive(database, b"{", unfiled(created("cust_1", at=MONDAY)), b"[")
    done = retry_quarantine(database, reason="missing_project", given=HOME)
    assert done == _done(resolved=1)
    assert retry_quarantine(database, reason="of_no_kind") == _done()
    with pytest.raises(BadIdentifier):
        retry_quarantine(database, reason="\0")
    with pytest.raises(BadIdentifier):
        list_quarantine(database, reason="\udcff", limit=10)


def test_many_entries_are_read_again_in_pieces(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[retry_quarantine.__module__], "RETRY_ENTRIES_MAX", 2)
    arrive(database, b"{", *(unfiled(created(f"cust_{n}", at=MONDAY)) for n in range(4)))
    tried: list[int] = []
    done = retry_quarantine(database, given=HOME, on_piece=tried.append)
    assert done == _done(resolved=4, broken_json=1)
    assert tried == [2, 4, 5]


def test_a_retry_does_not_try_what_it_has_put_aside_itself(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[retry_quarantine.__module__], "RETRY_ENTRIES_MAX", 1)
    arrive(database, updated("cust_1", at=MONDAY, id="e1", name="Ada"))
    arrive(database, unfiled(updated("cust_1", at=MONDAY, id="e1", name="Eve")))
    tried: list[int] = []
    assert retry_quarantine(database, given=HOME, on_piece=tried.append) == _done(conflict=1)
    assert tried == [1]


def test_deliveries_of_different_days_keep_the_time_of_their_arrival(database: Database) -> None:
    arrivals = [ARRIVED_AT + timedelta(days=number) for number in (2, 0, 2, 1)]
    for number, at in enumerate(arrivals):
        arrive(database, unfiled(created(f"cust_{number}", at=MONDAY)), at=at)
    retry_quarantine(database, given=HOME)
    assert [each.received_at for each in logged(database)] == arrivals


def test_an_interruption_between_append_and_closing_loses_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [waits] = arrive(database, unfiled(created("cust_1", at=MONDAY)))
    with monkeypatch.context() as patched:
        patched.setattr(quarantine, "resolve", _fail)
        with pytest.raises(ZeroDivisionError):
            retry_quarantine(database, given=HOME)
    [event] = logged(database)
    assert entry(database, waits).resolved_at is None
    assert retry_quarantine(database, given=HOME) == _done(resolved=1)
    assert entry(database, waits).resolved_position == event.position
    assert logged(database) == [event]


def _fail(*_arguments: object, **_named: object) -> None:
    raise ZeroDivisionError


def test_what_comes_late_out_of_the_quarantine_is_folded_where_it_belongs(
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
    assert retry_quarantine(database, given=HOME) == _done(resolved=2)
    catch_up(database, discover())
    assert [each.late for each in logged(database)] == [False, True, True]
    assert rows(database) == truth(discover(), map(envelope, happened)).rows


def test_a_delivery_that_was_resolved_and_comes_again_does_not_wait_again(
    database: Database,
) -> None:
    body = unfiled(created("cust_1", at=MONDAY))
    [known] = arrive(database, body)
    retry_quarantine(database, given=HOME)
    closed = entry(database, known)
    assert arrive(database, body, at=ARRIVED_AT + timedelta(days=1)) == []
    assert entry(database, known) == closed
    assert len(logged(database)) == 1
    # It repeats the event that the retry has filed.
    report = ingest(database, [json.dumps(body).encode()], Given())
    assert (report.duplicates, report.quarantined) == (1, 0)
    with database.reading() as connection:
        assert duplicates.find(connection, [1])[1].count == 2


def test_one_body_of_two_projects_is_two_entries_and_two_events(database: Database) -> None:
    timeless = {"id": "e1", "type": "customer.created", "data": {"customer": {"id": "cust_1"}}}
    for project_id in ("proj_1", "proj_2", "proj_1"):
        arrive(database, timeless, given=Given(project_id=project_id))
    assert len(waiting(database)) == 2
    done = retry_quarantine(database, given=Given(project_id="other", occurred_at=ARRIVED_AT))
    assert done == _done(resolved=2)
    assert [each.project_id for each in logged(database)] == ["proj_1", "proj_2"]
    positions = [each["resolved_position"] for each in quarantined(database)]
    assert positions == [1, 2]


def test_retries_at_the_same_time_do_no_harm(database: Database, shared_url: str) -> None:
    happened = [
        updated(f"cust_{n % 3}", at=f"2024-03-04T10:00:{n:02}Z", name=f"{n}") for n in range(40)
    ]
    arrive(database, *(unfiled(each) for each in happened), b"{")
    done: list[QuarantineRetried] = []

    def retry() -> None:
        with closing(Database(shared_url)) as other:
            done.append(retry_quarantine(other, given=HOME))

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == len(threads)
    assert all(each.waiting == 1 for each in done)
    assert [each.position for each in logged(database)] == list(range(1, 41))
    closed = [each["resolved_position"] for each in quarantined(database)]
    assert closed == [*range(1, 41), None]
    catch_up(database, discover())
    assert rows(database) == truth(discover(), map(envelope, happened)).rows
