"""A comparison with a real server, in a real database: it finds, explains and repairs."""

import json

import pytest

from projector.backfill.options import KnownCustomers, NamedCustomers
from projector.queries.customers import find_customer
from projector.store.database import Database
from tests.reconcile.conftest import Run
from tests.support.items import read_log
from tests.support.sources import Shop, live

_ONE = NamedCustomers(("cust_1",))


def _found(report: object) -> list[tuple[str, str, str | None]]:
    """The differences: kind, reason, repaired by what."""
    return [(str(each.kind), str(each.reason), each.repaired_by) for each in report.differences]  # type: ignore[attr-defined]


def _observations(database: Database) -> list[dict[str, object]]:
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
        ("missing_entry", "before_feed" if False else "lost", "activity"),
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
    assert observed["data"]["segments"][1]["id"] == "seg_2"  # type: ignore[index]
