"""A comparison with a real server, in a real database: it finds, explains and repairs."""

import json
import re
import time
from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import select

from projector.backfill.options import KnownCustomers, NamedCustomers, SuspiciousCustomers
from projector.envelope import NO_DEFAULTS
from projector.errors import BudgetTooSmall, VoucherifyRefused, VoucherifyUnreachable
from projector.intake.ingest import ingest
from projector.projections import discover
from projector.queries.customers import find_customer
from projector.reconcile.options import Record, SampledCustomers, SegmentMembers, Segments
from projector.reconcile.report import ReconcileProgress, ReconcileReport
from projector.runner.runner import catch_up
from projector.server.metrics import Metrics
from projector.store.database import Database
from projector.store.tables import feed_hour, reconciliation
from projector.voucherify.manners import StopReason
from tests.reconcile.conftest import Prepare, Run
from tests.support.databases import rows
from tests.support.given import append_and_project, entered
from tests.support.items import read_log
from tests.support.sources import Shop, live
from tests.support.voucherify_api import Reply, VoucherifyApi

_ONE = NamedCustomers(("cust_1",))


def _found(report: ReconcileReport) -> list[tuple[str, str, str | None]]:
    """The differences: kind, reason, repaired by what."""
    return [(str(each.kind), str(each.reason), each.repaired_by) for each in report.differences]


def _observations(database: Database) -> list[dict[str, Any]]:
    return [
        json.loads(each.body) for each in read_log(database) if each.type.startswith("projector.")
    ]


@pytest.mark.parametrize("seed", range(4))
def test_after_a_repair_every_answer_is_the_sources(
    shop: Shop, run: Run, wiped_database: Database, seed: int
) -> None:
    customers = live(shop, seed)
    assert any(shop.ours(each) != shop.truth(each) for each in customers)
    report = run(KnownCustomers(), repair=True, repair_percent_max=100)
    assert (report.remaining, report.unsettled, report.failed) == (0, 0, 0)
    assert report.repaired == len(report.differences) > 0
    for each in customers:
        assert shop.ours(each) == shop.truth(each)
    before = len(read_log(wiped_database))
    again = run(NamedCustomers(tuple(customers)), repair=True)
    assert (again.agree, again.differences) == (len(customers), ())
    assert len(read_log(wiped_database)) == before, "nothing more is filed"


def test_the_activity_comes_first_and_says_what_was_lost(
    shop: Shop, run: Run, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_2", "seg_1", hours_ago=900)
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)
    shop.enter("cust_1", "seg_2", hours_ago=4, delivered=False, remembered=False)
    report = run(_ONE, repair=True)
    assert _found(report) == [
        ("missing_entry", "lost", "activity"),
        ("missing_entry", "not_fed", "observation"),
    ]
    lost = report.differences[0].lost_event
    assert lost is not None
    assert (lost.type, lost.id) == (
        "customer.segment.entered",
        shop.api.activity["cust_1"][1]["id"],
    )
    [state] = [find_customer(wiped_database, "cust_1")]
    assert [each.segment_id for each in state.segments] == ["seg_1", "seg_2"]
    assert state.segments[0].entered_at == lost.occurred_at, "of the event, not of the look"
    [observed] = _observations(wiped_database)
    assert observed["data"]["segments"][1]["id"] == "seg_2"


def test_what_the_activity_brings_is_not_observed(
    shop: Shop, run: Run, wiped_database: Database
) -> None:
    """Filed before the activity, it would hide when the customer entered."""
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)
    report = run(_ONE, repair=True)
    assert (report.repaired, report.recorded) == (1, 0)
    assert _observations(wiped_database) == []


def test_it_compares_with_the_state_of_then_and_not_of_now(shop: Shop, run: Run) -> None:
    """The customer has left, and the source's lists lag a few seconds behind."""
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5)
    shop.leave("cust_1", "seg_1", hours_ago=10 / 3600)
    shop.segment("seg_1").members.add("cust_1")
    report = run(_ONE, repair=True)
    assert (report.agree, report.unsettled, report.differences) == (1, 0, ())
    report = run(_ONE, repair=True, record=Record.ALL)
    assert (report.unsettled, report.differences) == (1, ())
    shown = [each["data"]["scope"] for each in _observations(shop.database)]
    assert shown == [], "what changed while it was looked at is not filed"


def test_what_contradicts_an_event_of_a_moment_ago_is_asked_for_again_and_never_filed(
    shop: Shop, run: Run, api: VoucherifyApi, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5 / 60)
    shop.segment("seg_1").members.clear()
    shop.enter("cust_1", "seg_2", hours_ago=5, delivered=False, remembered=False)
    report = run(_ONE, repair=True)
    assert report.unsettled == 1
    assert sum(each.path == "/v1/customers/cust_1" for each in api.requests) == 4
    assert [each.segment_id for each in report.differences] == ["seg_2"]
    [observed] = _observations(wiped_database)
    assert observed["data"]["scope"] == ["seg_2"], "the other row is left out"


def test_what_arrives_while_it_waits_was_only_late(
    shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)

    def arrive(_run: object) -> None:
        append_and_project(shop.database, entered("cust_1", "seg_1", at=shop.at(5)))

    monkeypatch.setattr("projector.reconcile.run.Run._settle", arrive)
    report = run(_ONE, repair=True)
    assert _found(report) == [("missing_entry", "late", None)]
    assert (report.remaining, report.repaired, report.recorded) == (0, 0, 0)


def test_a_customer_with_two_tiers_of_a_campaign_is_reported(shop: Shop, run: Run) -> None:
    shop.customer("cust_1")
    two, one = shop.campaign("camp_1", "ltr_1", "ltr_2"), shop.campaign("camp_2", "ltr_3")
    two.held["cust_1"] = ("ltr_1", "ltr_2")
    one.held["cust_1"] = ("ltr_3", "ltr_3")
    report = run(_ONE)
    assert [(each.campaign_id, each.reason) for each in report.problems] == [
        ("camp_1", "two_tiers")
    ]
    assert _found(report) == [("missing_tier", "not_fed", None)]
    assert report.differences[0].campaign_id == "camp_2"


def test_by_the_list_the_last_one_on_a_tier_may_have_left(shop: Shop, run: Run) -> None:
    """The list shows no tier of that campaign, as of all campaigns if it shows no tiers at all."""
    shop.customer("cust_1")
    shop.customer("cust_2")
    shop.campaign("camp_1", "ltr_1")
    shop.campaign("camp_2", "ltr_2")
    shop.move("cust_1", "ltr_1", "camp_1", hours_ago=9)
    shop.move("cust_1", None, "camp_1", hours_ago=8, delivered=False)
    assert _found(run(KnownCustomers())) == []
    shop.move("cust_2", "ltr_2", "camp_2", hours_ago=7)
    assert [each.customer_id for each in run(KnownCustomers()).differences] == ["cust_1"]


def test_last_days_and_names_are_compared(shop: Shop, run: Run) -> None:
    shop.customer("cust_1")
    campaign = shop.campaign("camp_1", "ltr_1")
    shop.move("cust_1", "ltr_1", hours_ago=5)
    shop.enter("cust_1", "seg_1", hours_ago=5)
    campaign.expires_on["cust_1"] = "2030-01-31"
    shop.segment("seg_1").name = "Renamed"
    report = run(_ONE, repair=True, activity=False)
    assert {(each.kind, each.ours, each.theirs) for each in report.differences} == {
        ("name", "Segment seg_1", "Renamed"),
        ("expiry", None, "2030-01-31"),
    }
    assert report.remaining == 0


def test_without_a_date_an_answer_proves_nothing(
    shop: Shop, run: Run, api: VoucherifyApi, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)
    api.clock = None
    report = run(_ONE, repair=True)
    assert (report.compared, report.failed, report.differences) == (0, 1, ())
    assert [each.reason for each in report.problems] == ["no_date"]
    assert _observations(wiped_database) == []


@pytest.mark.parametrize("hours", [-1, 1])
def test_our_clock_may_be_an_hour_off(shop: Shop, run: Run, api: VoucherifyApi, hours: int) -> None:
    """The customer leaves after the source was read: that must win, whatever our clock says."""
    api.clock, shop.now = hours * 3600.0, shop.now + timedelta(hours=hours)
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
    assert run(_ONE, repair=True).repaired == 1
    assert shop.ours("cust_1")[0] == ("seg_1",)
    [observed] = _observations(shop.database)
    filed_at = datetime.fromisoformat(str(observed["created_at"]))
    source_now = datetime.now(UTC) + timedelta(hours=hours)
    assert timedelta(seconds=59) < source_now - filed_at < timedelta(seconds=90)
    shop.leave("cust_1", "seg_1", hours_ago=-10 / 3600)
    assert shop.ours("cust_1") == shop.truth("cust_1") == ((), {})


def test_who_is_gone_is_a_member_of_nothing(shop: Shop, run: Run) -> None:
    for customer_id in ("cust_1", "cust_2"):
        shop.customer(customer_id)
        shop.campaign("camp_1", "ltr_1")
        shop.enter(customer_id, "seg_1", hours_ago=6)
        shop.move(customer_id, "ltr_1", hours_ago=5)
        shop.delete(customer_id, hours_ago=4, delivered=customer_id == "cust_2")
    report = run(NamedCustomers(("cust_1", "cust_2", "cust_unknown")), repair=True)
    assert (report.absent, report.agree) == (3, 2)
    assert _found(report) == [("absent", "customer_deleted", "observation")]
    assert shop.ours("cust_1") == ((), {})


def test_more_than_its_share_is_not_repaired(
    shop: Shop, run: Run, api: VoucherifyApi, wiped_database: Database
) -> None:
    """As with the credentials of another project."""
    for number in range(12):
        shop.customer(f"cust_{number}")
        shop.enter(f"cust_{number}", "seg_1", hours_ago=5)
    shop.segment("seg_1").members.clear()
    before = len(read_log(wiped_database))
    report = run(KnownCustomers(), repair=True, repair_percent_max=50)
    assert (report.refused, report.remaining, report.recorded) == (True, 12, 0)
    assert not any("activity" in each.path for each in api.requests)
    assert len(read_log(wiped_database)) == before
    report = run(KnownCustomers(), repair=True, repair_percent_max=100)
    assert (report.refused, report.remaining, report.recorded) == (False, 0, 12)


def test_a_segment_that_is_still_computed_says_nothing(shop: Shop, run: Run) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5)
    shop.segment("seg_1").members.clear()
    shop.segment("seg_1").status = "IN_PROGRESS"
    report = run(_ONE, repair=True)
    assert (report.agree, report.differences, report.recorded) == (1, (), 0)
    assert [(each.segment_id, each.reason) for each in report.problems] == [("seg_1", "not_synced")]


def test_segments_that_send_nothing_are_compared_if_asked_for(shop: Shop, run: Run) -> None:
    shop.customer("cust_1")
    shop.segment("seg_1", "passive").members.add("cust_1")
    assert run(_ONE).differences == ()
    report = run(_ONE, segments=Segments.ALL)
    assert _found(report) == [("missing_entry", "silent_segment", None)]
    report = run(_ONE, segments=("seg_1",), repair=True)
    assert _found(report) == [("missing_entry", "silent_segment", "observation")]


def test_a_segment_that_was_deleted_has_no_members(
    shop: Shop, run: Run, api: VoucherifyApi
) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5)
    del api.segments["seg_1"]
    report = run(_ONE, repair=True)
    assert _found(report) == [("missing_leave", "segment_deleted", "observation")]
    assert shop.ours("cust_1") == ((), {})


def test_leaves_that_were_never_distributed_are_recognised(shop: Shop, run: Run) -> None:
    for number in range(3):
        shop.customer(f"cust_{number}")
        shop.enter(f"cust_{number}", "seg_1", hours_ago=6)
    shop.leave("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
    report = run(SegmentMembers("seg_1"))
    assert (report.compared, report.agree) == (3, 2)
    assert _found(report) == [("missing_leave", "leave_not_fed", None)]


def test_lists_find_who_differs_even_if_all_were_created_at_once(
    shop: Shop, run: Run, api: VoucherifyApi
) -> None:
    """And campaigns that share their name are left out of the list."""
    api.page_max = 2
    shop.campaign("camp_1", "ltr_1")
    shop.campaign("camp_2", "ltr_2").name = shop.campaign("camp_3", "ltr_3").name = "Twin"
    for number in range(7):
        shop.customer(f"cust_{number}")
    api.created = dict.fromkeys(api.created, "2024-01-01T00:00:00.000Z")
    shop.enter("cust_3", "seg_1", hours_ago=5, delivered=False, remembered=False)
    shop.move("cust_5", "ltr_1", hours_ago=5, delivered=False, remembered=False)
    shop.move("cust_6", "ltr_2", "camp_2", hours_ago=5, delivered=False, remembered=False)
    report = run(KnownCustomers())
    assert (report.compared, report.agree) == (7, 5)
    assert {each.customer_id for each in report.differences} == {"cust_3", "cust_5"}
    assert [each.campaign_id for each in run(NamedCustomers(("cust_6",))).differences] == ["camp_2"]


def test_the_suspicious_and_a_sample_are_compared(shop: Shop, run: Run) -> None:
    for number in range(4):
        shop.customer(f"cust_{number}")
    shop.enter("cust_2", "seg_1", hours_ago=6, delivered=False, remembered=False)
    shop.leave("cust_2", "seg_1", hours_ago=5)
    assert run(SuspiciousCustomers()).compared == 1
    assert run(SampledCustomers(2)).compared == 2
    assert run(SampledCustomers(10)).compared == 4


def test_who_was_erased_is_not_asked_about(shop: Shop, run: Run, api: VoucherifyApi) -> None:
    shop.customer("cust_1")
    report = run(_ONE, repair=True, is_erased=lambda each: each == "cust_1")
    assert [each.reason for each in report.problems] == ["erased"]
    assert not any("cust_1" in each.path for each in api.requests)


def test_a_busy_api_is_waited_for_and_a_broken_one_costs_its_customer_only(
    shop: Shop, run: Run, api: VoucherifyApi
) -> None:
    for number in range(2):
        shop.customer(f"cust_{number}")
        shop.enter(f"cust_{number}", "seg_1", hours_ago=5, delivered=False)
    frame = [Reply()] * 2
    busy = [Reply(status=429, headers={"Retry-After": "0"}), Reply(status=500)]
    api.replies = [*frame, *busy]
    assert len(run(NamedCustomers(("cust_0",)), workers=1).differences) == 1
    api.replies = [*frame, *[Reply(status=503)] * 5]
    report = run(NamedCustomers(("cust_0", "cust_1")), repair=True, workers=1)
    assert (report.failed, report.compared, report.repaired) == (1, 1, 1)
    assert [(each.customer_id, each.reason) for each in report.problems] == [("cust_0", "failed")]


def test_the_budget_is_kept_and_a_run_that_it_ends_repairs_nothing(
    shop: Shop, run: Run, api: VoucherifyApi, wiped_database: Database
) -> None:
    for number in range(3):
        shop.customer(f"cust_{number}")
        shop.enter(f"cust_{number}", "seg_1", hours_ago=5, delivered=False)
    everyone = NamedCustomers(("cust_0", "cust_1", "cust_2"))
    before = len(read_log(wiped_database))
    with pytest.raises(BudgetTooSmall, match="needs 8 requests or more, and may make 7"):
        run(everyone, repair=True, requests_max=7)
    assert len(api.requests) == 2
    api.requests.clear()
    report = run(everyone, repair=True, requests_max=8)
    assert (report.stopped, report.requests, len(api.requests)) == (StopReason.BUDGET, 8, 8)
    assert (report.remaining, len(read_log(wiped_database))) == (3, before)
    report = run(everyone, repair=True, requests_max=11)
    assert (report.stopped, report.requests, report.remaining) == (None, 11, 0)


def test_refused_credentials_change_nothing(
    shop: Shop, run: Run, prepare: Prepare, api: VoucherifyApi, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    before = rows(wiped_database)
    prepared = prepare(_ONE, repair=True)
    prepared.estimate()
    api.replies, api.repeats = [Reply(status=401)], True
    with pytest.raises(VoucherifyRefused):
        prepared.run()
    with pytest.raises(VoucherifyRefused):
        run(_ONE)
    catch_up(wiped_database, discover())
    assert rows(wiped_database) == before
    api.replies = [Reply(status=500)]
    with pytest.raises(VoucherifyUnreachable):
        run(_ONE)


def test_it_ends_within_a_second_while_it_waits(shop: Shop, prepare: Prepare) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)
    stop = Event()
    prepared = prepare(_ONE, settle=timedelta(minutes=10), stop=stop)
    ended: list[float] = []

    def end_once_it_waits(progress: ReconcileProgress) -> None:
        if progress.phase == "settling" and not ended:
            ended.append(time.monotonic())
            stop.set()

    report = prepared.run(end_once_it_waits)
    assert report.stopped is StopReason.INTERRUPTED
    assert time.monotonic() - ended[0] < 1.5


def test_two_at_once_end_as_one(shop: Shop, prepare: Prepare, wiped_database: Database) -> None:
    customers = live(shop, 1)
    both = [prepare(KnownCustomers(), repair=True, repair_percent_max=100) for _ in range(2)]
    threads = [Thread(target=each.run) for each in both]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    catch_up(wiped_database, discover())
    for customer_id in customers:
        assert shop.ours(customer_id) == shop.truth(customer_id)


def test_a_run_a_moment_later_files_nothing_again(
    shop: Shop, run: Run, wiped_database: Database
) -> None:
    """Its window may begin before that of the first, since a Date has whole seconds."""
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
    assert run(_ONE, repair=True).recorded == 1
    report = run(_ONE, repair=True, margin=timedelta(seconds=65))
    assert (report.agree, report.recorded) == (1, 0)
    assert len(_observations(wiped_database)) == 1


def test_what_was_done_is_kept_and_counted(shop: Shop, run: Run, wiped_database: Database) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
    report = run(_ONE, repair=True)
    with wiped_database.reading() as connection:
        [kept] = connection.execute(select(reconciliation)).mappings()
        counted = connection.execute(
            select(feed_hour.c.type, feed_hour.c.channel).where(feed_hour.c.channel == "reconcile")
        ).all()
    assert (kept["run_id"], kept["project_id"], kept["source"]) == (report.run, "proj_1", "api")
    assert (kept["compared"], kept["differing"], kept["repaired"], kept["remaining"]) == (
        1,
        1,
        1,
        0,
    )
    assert (json.loads(kept["reasons"]), kept["stopped"]) == ({"not_fed": 1}, None)
    assert kept["begun_at"] < kept["ended_at"]
    assert [tuple(each) for each in counted] == [("projector.segments.observed", "reconcile")]
    [observed] = _observations(wiped_database)
    evidence = observed["evidence"]
    assert evidence["run"] == report.run
    assert evidence["request"] == "GET /v1/customers/cust_1/segments"
    assert evidence["body"]["data"][0]["id"] == "seg_1"
    assert "application-token" not in json.dumps(observed)


def test_the_metrics_have_the_last_comparison(
    shop: Shop, run: Run, wiped_database: Database
) -> None:
    """Also the reasons of which there are none, and of the last comparison only."""
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False, remembered=False)
    for count in (1, 0):
        begin = time.time()
        run(_ONE, repair=True)
        page = Metrics(wiped_database).page()[0].decode()
        for reason, number in (("not_fed", count), ("lost", 0)):
            labels = f'{{project="proj_1",reason="{reason}"}}'
            assert f"projector_reconcile_differences{labels} {float(number)}\n" in page
        [checked] = re.findall(r"\nprojector_reconcile_checked_\S+ (\S+)\n", page)
        assert begin - 1 < float(checked) < time.time() + 1


def test_agreeing_observations_are_filed_only_if_asked_for(
    shop: Shop, run: Run, wiped_database: Database
) -> None:
    shop.customer("cust_1")
    shop.campaign("camp_1", "ltr_1")
    shop.enter("cust_1", "seg_1", hours_ago=5)
    assert run(_ONE, repair=True).recorded == 0
    before = shop.ours("cust_1")
    assert run(_ONE, repair=True, record=Record.ALL).recorded == 2
    assert [each["type"] for each in _observations(wiped_database)] == [
        "projector.segments.observed",
        "projector.tier.observed",
    ]
    assert shop.ours("cust_1") == before


def test_a_delivery_in_the_quarantine_is_the_reason(shop: Shop, run: Run) -> None:
    shop.customer("cust_1")
    shop.enter("cust_1", "seg_1", hours_ago=5, delivered=False)
    assert [each.reason for each in run(_ONE).differences] == ["not_fed"]
    broken = {"type": "customer.segment.entered", "data": {"customer": {"id": "cust_1"}}}
    assert ingest(shop.database, [json.dumps(broken).encode()], NO_DEFAULTS).quarantined == 1
    assert [each.reason for each in run(_ONE).differences] == ["quarantined"]
