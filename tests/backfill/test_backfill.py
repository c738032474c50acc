"""A backfill from a real server into a real database."""

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select, text

from projector.backfill import backfill
from projector.backfill.options import (
    BackfillOptions,
    CustomerChoice,
    CustomersInFile,
    KnownCustomers,
    ListedCustomers,
    NamedCustomers,
    SuspiciousCustomers,
)
from projector.backfill.report import BackfillReport
from projector.envelope import NO_DEFAULTS
from projector.errors import BudgetTooSmall, VoucherifyRefused, VoucherifyUnexpected
from projector.intake.ingest import ingest
from projector.store.database import Database
from projector.store.tables import activity, feed_hour
from projector.voucherify.manners import StopReason
from tests.backfill.conftest import Prepare
from tests.support.databases import dead_letters, rows, wipe
from tests.support.given import (
    append_and_project,
    created,
    delivery,
    entered,
    in_shape,
    joined,
    left,
    tier_left,
    upgraded,
)
from tests.support.items import quarantined, read_log
from tests.support.suppressions import allow, erase
from tests.support.voucherify_api import Entry, Reply, Request, VoucherifyApi, entry

#: Prepare and run a backfill.
Run = Callable[..., BackfillReport]


@pytest.fixture
def run(prepare: Prepare) -> Run:
    def run(choice: CustomerChoice, **options: Any) -> BackfillReport:
        return prepare(choice, BackfillOptions(per_minute=100_000, **options)).run()

    return run


def _add(api: VoucherifyApi, customer: str, events: int = 5) -> list[Entry]:
    entries = [
        entry(f"evcus_{customer}_{n}", f"2024-03-01T1{n}:00:00.000Z", customer=customer)
        for n in range(events)
    ]
    api.add(customer, *entries)
    api.created[customer] = "2024-01-01T00:00:00.000Z"
    return entries


def _counts(report: BackfillReport) -> tuple[int, int, int, int]:
    """The customers: fresh, done, absent, failed."""
    return report.fresh, report.done, report.absent, report.failed


def _asked(api: VoucherifyApi) -> list[str]:
    """Whose activity was asked for, in this order; forgets the requests."""
    found = [each.path.split("/")[3] for each in api.requests if "activity" in each.path]
    api.requests.clear()
    return found


def _readings(database: Database) -> list[dict[str, Any]]:
    statement = select(activity).order_by(activity.c.customer_id, activity.c.scope)
    with database.reading() as connection:
        return [dict(row) for row in connection.execute(statement).mappings()]


def test_of_an_erased_customer_nothing_is_fetched_and_nothing_kept(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    """By either id, and named or found in the log; who is allowed again is read again."""
    for number in range(3):
        _add(api, f"cust_{number}", 2)
    api.source_ids["shop_1"] = "cust_1"
    run(ListedCustomers())
    with wiped_database.writing() as connection:
        erase(connection, ("proj_1", "cust_1"))
        connection.execute(text("DELETE FROM activity"))
    choices = ListedCustomers(), NamedCustomers(("cust_1",)), NamedCustomers(("shop_1",))
    for choice in choices:
        api.requests.clear()
        report = run(choice, again=True)
        assert report.erased == 1
        assert report.customers == report.erased + report.done
        assert "cust_1" not in _asked(api)
    report = run(KnownCustomers(), again=True)
    assert (report.customers, report.erased, report.done) == (2, 0, 2)
    assert [each["customer_id"] for each in _readings(wiped_database)] == ["cust_0", "cust_2"]
    with wiped_database.writing() as connection:
        allow(connection, ("proj_1", "cust_1"))
    assert run(NamedCustomers(("cust_1",))).done == 1


def test_a_customer_who_is_erased_while_she_is_read_leaves_no_trace(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    """The page that was asked for before arrives after it."""
    _add(api, "cust_1", 3)

    def erase_her(request: Request) -> None:
        if not request.path.endswith("/activity"):
            return
        with wiped_database.writing() as connection:
            erase(connection, ("proj_1", "cust_1"))

    api.before = erase_her
    report = run(NamedCustomers(("cust_1",)))
    assert (report.read, report.suppressed, report.appended) == (3, 3, 0)
    assert _readings(wiped_database) == []
    assert [each.source for each in read_log(wiped_database)] == ["projector"]


def test_an_empty_log_gets_each_customers_events_in_their_order(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    api.page_max = 2
    whole = [_add(api, f"cust_{number}") for number in range(3)]
    report = run(ListedCustomers())
    assert _counts(report) == (0, 3, 0, 0)
    assert (report.read, report.appended, report.head) == (15, 15, 15)
    assert (report.customers, report.stopped, report.requests) == (3, None, len(api.requests))
    logged = read_log(wiped_database)
    for entries in whole:
        ours = [each for each in logged if each.event_id in {entry["id"] for entry in entries}]
        assert [each.event_id for each in ours] == [each["id"] for each in entries]
        assert not any(each.late for each in ours)
        assert {(each.project_id, each.source) for each in ours} == {("proj_1", "activity")}
    assert [
        (each["status"], each["requests"], each["entries"]) for each in _readings(wiped_database)
    ] == [("done", 3, 5)] * 3


def test_after_the_webhooks_everything_is_a_duplicate_and_nothing_a_conflict(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    """The customer of an activity may have changed, or be left out; an offer is not in it."""
    database = wiped_database
    at = "2024-03-01T10:00:00.000Z"
    segment = {"id": "seg_1", "name": "VIP", "object": "segment"}
    offer: dict[str, Any] = {
        "voucher": {"id": "v_1", "code": "SPRING"},
        "publication": {"id": "pub_1"},
    }
    kind = "customer.segment.entered"
    append_and_project(
        database,
        delivery(kind, "cust_1", at=at, id="evcus_1", segment=segment, **offer),
        delivery(kind, "cust_1", at=at, id="evcus_2", segment=segment),
    )
    before = rows(database), len(read_log(database))
    api.add(
        "cust_1",
        entry("evcus_1", at, kind, segment=segment),
        entry("evcus_2", at, kind, None, segment=segment),
    )
    report = run(KnownCustomers())
    assert (report.duplicates, report.conflicts, report.appended) == (2, 0, 0)
    append_and_project(database)
    assert (rows(database), len(read_log(database))) == before
    assert dead_letters(database) == []


def test_a_webhook_after_the_backfill_still_brings_its_offer(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    """The activity has the event alone; its webhooks carry an offer each."""
    at, kind = "2024-03-01T10:00:00.000Z", "customer.segment.entered"
    segment = {"id": "seg_1", "name": "VIP", "object": "segment"}
    api.add("cust_1", entry("evcus_1", at, kind, segment=segment))
    assert run(NamedCustomers(("cust_1",))).appended == 1
    offer: dict[str, Any] = {"voucher": {"id": "v_1", "code": "SPRING"}}
    webhook = delivery(kind, "cust_1", at=at, id="evcus_1", segment=segment, **offer)
    taken = ingest(wiped_database, [json.dumps(webhook).encode()], NO_DEFAULTS)
    assert (taken.duplicates, taken.appended, taken.conflicts) == (1, 1, 0)
    assert [each.type for each in read_log(wiped_database)] == [kind, "projector.offer.sent"]
    assert "SPRING" in read_log(wiped_database)[1].body
    assert run(NamedCustomers(("cust_1",))).conflicts == 0


def test_an_entry_belongs_to_the_customer_who_was_asked_for(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    api.add(
        "cust_1",
        entry("evcus_1", "2024-03-01T10:00:00.000Z", customer=None),
        entry("evcus_2", "2024-03-01T11:00:00.000Z", customer="cust_2"),
    )
    report = run(NamedCustomers(("cust_1",)))
    assert (report.appended, report.quarantined, report.done) == (1, 1, 1)
    assert [each.customer_id for each in read_log(wiped_database)] == ["cust_1"]
    assert [each["reason"] for each in quarantined(wiped_database)] == ["other_customer"]
    append_and_project(wiped_database)
    assert dead_letters(wiped_database) == []


def test_entries_are_counted_as_fetched_and_not_as_arrived(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    _add(api, "cust_1")
    run(NamedCustomers(("cust_1",)))
    columns = feed_hour.c.channel, feed_hour.c.outcome, feed_hour.c.deliveries
    with wiped_database.reading() as connection:
        counted = [tuple(row) for row in connection.execute(select(*columns))]
    assert counted == [("backfill", "appended", 5)]


def test_who_was_read_lately_is_left_out_unless_named(api: VoucherifyApi, run: Run) -> None:
    for number in range(2):
        _add(api, f"cust_{number}")
    run(NamedCustomers(("cust_0",)))
    _add(api, "cust_2")
    run(NamedCustomers(("cust_2",)))
    _asked(api)
    assert _counts(run(KnownCustomers())) == (2, 0, 0, 0)
    assert _asked(api) == []
    assert _counts(run(KnownCustomers(), again=True)) == (0, 2, 0, 0)
    assert sorted(_asked(api)) == ["cust_0", "cust_2"]
    assert _counts(run(KnownCustomers(), unread_since=datetime.now(UTC))) == (0, 2, 0, 0)
    assert _counts(run(NamedCustomers(("cust_0",)))) == (0, 1, 0, 0)
    assert _counts(run(ListedCustomers())) == (2, 1, 0, 0)


def test_a_later_reading_asks_only_for_what_is_new(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    api.page_max = 2
    _add(api, "cust_1", events=9)
    run(NamedCustomers(("cust_1",)))
    api.requests.clear()
    api.add("cust_1", entry("evcus_new", "2024-03-02T10:00:00.000Z"))
    report = run(NamedCustomers(("cust_1",)))
    assert (report.requests, report.appended, report.duplicates) == (2, 1, 2)
    assert api.requests[0].query["start_date"] == "2024-03-01T17:00:00.000Z"
    assert len(read_log(wiped_database)) == 10


def test_suspicious_are_those_choice_the_tables_doubt(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    at, later = "2024-03-01T10:00:00Z", "2024-03-02T10:00:00Z"
    append_and_project(
        wiped_database,
        entered("cust_sure", "seg_1", at=at),
        left("cust_gap", "seg_1", at=at),
        joined("cust_uncertain", "ltr_1", "camp_1", at=at),
        tier_left("cust_uncertain", "ltr_9", "camp_1", at=later),
        joined("cust_letter", "", "camp_1", at=at),
        left("cust_elsewhere", "seg_1", at=at, project_id="proj_2"),
    )
    with wiped_database.writing() as connection:
        connection.execute(
            text("UPDATE loyalty_tier SET gaps = 0 WHERE customer_id = 'cust_uncertain'")
        )
    for customer in ("gap", "uncertain", "letter", "sure", "elsewhere"):
        api.add(f"cust_{customer}")
    assert _counts(run(SuspiciousCustomers())) == (0, 3, 0, 0)
    assert sorted(_asked(api)) == ["cust_gap", "cust_letter", "cust_uncertain"]


def test_customers_are_found_by_the_shops_own_ids(
    api: VoucherifyApi, run: Run, wiped_database: Database, tmp_path: Any
) -> None:
    _add(api, "cust_1")
    api.source_ids["anna@shop.test/1"] = "cust_1"
    file = tmp_path / "ids.csv"
    file.write_text("Source_Id,name\nanna@shop.test/1,Anna\nnobody,N\ncust_none,C\n")
    assert _counts(run(CustomersInFile(str(file)))) == (0, 1, 2, 0)
    assert {each.customer_id for each in read_log(wiped_database)} == {"cust_1"}
    asked = len(api.requests)
    assert _counts(run(CustomersInFile(str(file)))) == (2, 0, 1, 0)
    assert len(api.requests) == asked + 2


def test_each_type_is_read_by_itself_and_leaves_the_others_to_be_read(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    _add(api, "cust_1", events=3)
    api.add("cust_1", entry("evcus_left", "2024-03-01T10:30:00.000Z", "customer.segment.left"))
    types = ("customer.segment.left", "customer.updated")
    since = datetime(2024, 3, 1, 10, 15, tzinfo=UTC)
    assert run(NamedCustomers(("cust_1",)), types=types, since=since).appended == 1
    assert [each.event_id for each in read_log(wiped_database)] == ["evcus_left"]
    assert [each["scope"] for each in _readings(wiped_database)] == [
        f"type={each} since=2024-03-01T10:15:00.000Z" for each in types
    ]
    assert run(KnownCustomers()).appended == 3


def test_a_time_of_its_own_for_each_run_leaves_no_row_of_each(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    _add(api, "cust_1")
    for day in (1, 2, 3):
        for types in ((), ("customer.segment.left",)):
            run(NamedCustomers(("cust_1",)), types=types, since=datetime(2024, 2, day, tzinfo=UTC))
    run(NamedCustomers(("cust_1",)))
    assert [each["scope"] for each in _readings(wiped_database)] == [
        "",
        "since=2024-02-03T00:00:00.000Z",
        "type=customer.segment.left since=2024-02-03T00:00:00.000Z",
    ]


def test_the_members_of_a_segment_are_read(api: VoucherifyApi, run: Run) -> None:
    for number in range(3):
        _add(api, f"cust_{number}")
    assert run(ListedCustomers("seg_1")).done == 3
    assert api.requests[0].query["segment_id"] == "seg_1"


def test_more_than_the_budget_is_refused_before_a_request(
    api: VoucherifyApi, prepare: Prepare
) -> None:
    for number in range(3):
        _add(api, f"cust_{number}")
    named = NamedCustomers(("cust_0", "cust_1", "cust_2"))
    with pytest.raises(BudgetTooSmall, match="needs 3 requests or more, and may make 2"):
        prepare(named, BackfillOptions(requests_max=2)).run()
    assert api.requests == []
    prepared = prepare(ListedCustomers(), BackfillOptions(requests_max=3))
    assert prepared.estimate(may_ask=False).customers is None
    assert api.requests == []
    assert (prepared.estimate().customers, prepared.estimate().requests) == (3, 4)
    with pytest.raises(BudgetTooSmall):
        prepared.run()
    assert len(api.requests) == 1


def test_a_budget_ends_a_run_exactly_and_the_next_one_goes_on(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    api.page_max = 1
    for number in range(2):
        _add(api, f"cust_{number}", events=4)
    stopped = 0
    named = NamedCustomers(("cust_0", "cust_1"))
    report = run(named, requests_max=3, workers=1)
    while report.stopped is not None:
        stopped += 1
        assert (report.stopped, report.requests, report.customers) == (StopReason.BUDGET, 3, 2)
        assert report.duplicates <= 1
        report = run(KnownCustomers() if stopped > 1 else named, requests_max=3, workers=1)
    assert stopped == 2
    assert len(read_log(wiped_database)) == 8
    assert len(api.requests) <= 10


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"X-Rate-Limit-Type": "api_calls_cycle"}, StopReason.CYCLE_QUOTA),
        ({"Retry-After": "3600"}, StopReason.RATE_LIMIT),
    ],
)
def test_a_quota_ends_a_run_and_what_was_read_stays(
    api: VoucherifyApi, run: Run, headers: dict[str, str], reason: StopReason
) -> None:
    named = NamedCustomers(tuple(f"cust_{number}" for number in range(3)))
    for each in named.identifiers:
        _add(api, each)
    api.replies = [Reply(), Reply(status=429, headers=headers)]
    report = run(named, workers=1)
    assert (report.stopped, report.done, report.appended, report.requests) == (reason, 1, 5, 2)
    api.replies = [Reply(status=429, headers=headers)]
    assert run(ListedCustomers()).stopped == reason
    few = {"X-Rate-Limit-Limit": "100", "X-Rate-Limit-Remaining": "29", **headers}
    api.replies = [Reply(), Reply(), Reply(headers=few)]
    report = run(named, workers=1)
    assert (report.stopped, report.done) == (None, 3), "the last answer was the one that was needed"


def test_one_customer_that_cannot_be_read_holds_up_no_other(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    for number in range(4):
        _add(api, f"cust_{number}")
    circle = b'{"object":"list","data":[{"id":"evcus_x"}],"has_more":true}'
    api.replies = [
        *[Reply(status=200, body=circle)] * 2,
        Reply(body=b'{"object":"list"}'),
        *[Reply(status=500)] * 5,
    ]
    named = NamedCustomers(tuple(f"cust_{number}" for number in range(4)))
    report = run(named, workers=1)
    assert (_counts(report), report.stopped) == ((0, 1, 0, 3), None)
    problems = [each["problem"] for each in _readings(wiped_database)]
    assert problems[0] == "The pages go in a circle at the event evcus_x."
    assert "it is no page of activity" in problems[1]
    assert problems[2:] == ["Voucherify's API failed: it answers with 500.", None]
    assert _counts(run(named)) == (0, 4, 0, 0)
    assert [each["problem"] for each in _readings(wiped_database)] == [None] * 4


def test_failures_in_a_row_end_the_run_and_a_success_between_them_lets_it_go_on(
    api: VoucherifyApi, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "FAILURES_MAX", 2)
    named = NamedCustomers(tuple(f"cust_{number}" for number in range(5)))
    for each in named.identifiers:
        _add(api, each)
    bad = Reply(body=b"[]")
    api.replies = [bad, Reply(), bad, Reply(), bad]
    report = run(named, workers=1)
    assert (report.stopped, report.failed, report.done) == (None, 3, 2)
    api.replies = [Reply(), bad, bad]
    report = run(named, workers=1)
    assert (report.stopped, report.failed, report.done) == (StopReason.FAILURES, 2, 1)


def test_another_server_makes_no_customer_absent(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    for status, body in ((404, b"<html>Not here</html>"), (302, b"")):
        api.replies = [Reply(status=status, body=body)]
        with pytest.raises(VoucherifyUnexpected):
            run(NamedCustomers(("cust_1",)))
    assert _readings(wiped_database) == []


def test_credentials_that_are_refused_meanwhile_lose_nothing(
    api: VoucherifyApi, run: Run, wiped_database: Database
) -> None:
    api.page_max = 2
    _add(api, "cust_1")
    api.replies = [Reply(), Reply(status=401)]
    with pytest.raises(VoucherifyRefused):
        run(NamedCustomers(("cust_1",)))
    assert len(read_log(wiped_database)) == 2
    assert run(NamedCustomers(("cust_1",))).appended == 3


def test_an_answer_that_comes_after_the_end_is_not_filed(
    api: VoucherifyApi, prepare: Prepare, wiped_database: Database
) -> None:
    """Otherwise it would be filed while the caller closes the database."""
    _add(api, "cust_1")
    stop = Event()
    api.replies = [Reply(drips=(2.0,))]
    api.before = lambda _request: stop.set()
    begin = time.monotonic()
    report = prepare(NamedCustomers(("cust_1",)), BackfillOptions(), stop).run()
    assert (report.stopped, report.requests, report.read) == (StopReason.INTERRUPTED, 1, 0)
    assert time.monotonic() - begin < 2
    # The thread has got its answer once it has ended.
    while any(each.name.startswith("backfill-") for each in threading.enumerate()):
        assert time.monotonic() - begin < 30
        time.sleep(0.01)
    assert read_log(wiped_database) == []
    assert _readings(wiped_database) == []


#: What happened to a customer; of these, only some arrived by webhook.
_LIFE = [
    created("cust_1", at="2024-03-01T09:00:00Z", name="Ada"),
    entered("cust_1", "seg_1", at="2024-03-01T10:00:00Z"),
    joined("cust_1", "ltr_1", "camp_1", at="2024-03-01T11:00:00Z"),
    left("cust_1", "seg_1", at="2024-03-02T10:00:00Z"),
    upgraded("cust_1", "ltr_1", "ltr_2", "camp_1", at="2024-03-03T10:00:00Z"),
    entered("cust_1", "seg_2", at="2024-03-03T11:00:00Z"),
    tier_left("cust_1", "ltr_2", "camp_1", at="2024-03-04T10:00:00Z"),
]


@pytest.mark.parametrize("arrived", [[], [3, 6], [0, 2, 6], [5, 3, 1]])
def test_the_tables_are_as_if_everything_had_arrived(
    api: VoucherifyApi, run: Run, wiped_database: Database, arrived: list[int]
) -> None:
    append_and_project(wiped_database, *_LIFE)
    expected = rows(wiped_database)
    wipe(wiped_database)
    append_and_project(wiped_database, *(_LIFE[number] for number in arrived))
    assert rows(wiped_database) != expected
    api.add("cust_1", *(in_shape("activity", each) for each in _LIFE))
    report = run(NamedCustomers(("cust_1",)))
    assert (report.appended, report.duplicates) == (len(_LIFE) - len(arrived), len(arrived))
    append_and_project(wiped_database)
    assert rows(wiped_database) == expected
