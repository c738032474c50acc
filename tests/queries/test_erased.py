"""Every question about an erased customer is answered by that, and by nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy import event as sa_event

from projector import Projector
from projector.errors import CustomerErased, CustomerNotFound
from projector.projections import discover
from projector.queries.customer_events import find_events
from projector.queries.customers import find_customers
from projector.queries.log_tail import read_log_page
from projector.queries.story.timeline import find_timeline
from projector.runner.runner import catch_up
from projector.store import log
from projector.store.database import Database
from replay.one_customer import rebuild_customer
from tests.support.erasures import ERASED_AT, erase
from tests.support.given import append_and_project, created, entered, joined, tier
from tests.support.verification import run

_THEN = datetime(2024, 3, 2, 12, tzinfo=UTC)
_FIRST, _SECOND = "2024-03-01T10:00:00Z", "2024-03-02T10:00:00Z"

#: Every question about one customer.
_QUESTIONS: dict[str, Callable[[Database, str], object]] = {
    "customer": lambda database, who: Projector(database).customer(who),
    "of the project": lambda database, who: Projector(database).customer(who, project_id="proj_1"),
    "as of": lambda database, who: Projector(database).customer(who, as_of=_THEN),
    "at a position": lambda database, who: Projector(database).customer(who, at_position=6),
    "why": lambda database, who: Projector(database).why(who, segment_id="seg_1"),
    "why not": lambda database, who: Projector(database).why(who, not_="seg_1"),
    "why then": lambda database, who: Projector(database).why(
        who, campaign_id="camp_1", at_position=6
    ),
    "events": lambda database, who: find_events(database, who, limit=10),
    "timeline": lambda database, who: find_timeline(database, who, limit=10),
    "timeline then": lambda database, who: find_timeline(database, who, at_position=6, limit=10),
    "rebuild": lambda database, who: rebuild_customer(database, discover(), who),
}


@pytest.fixture
def database(database: Database) -> Database:
    """`cust_1` is erased in `proj_1`; `cust_2` is not."""
    append_and_project(
        database,
        *(
            each
            for who in ("cust_1", "cust_2")
            for each in (
                created(who, at=_FIRST, name=f"Ada of {who}", email=f"{who}@shop.test"),
                entered(who, "seg_1", at=_SECOND),
                joined(who, tier("ltr_1", 1, 5), at=_SECOND),
            )
        ),
    )
    erase(database, "cust_1")
    return database


@pytest.mark.parametrize("ask", _QUESTIONS.values(), ids=_QUESTIONS)
def test_an_erased_customer_is_told_as_such(
    database: Database, ask: Callable[[Database, str], object]
) -> None:
    with pytest.raises(CustomerErased) as raised:
        ask(database, "cust_1")
    assert str(raised.value) == "This customer was erased on 2026-11-26 (erasure 1)."
    assert raised.value.exit_code == 3
    # Others are answered, or not known, as ever; and nobody goes by an erased stream's name.
    ask(database, "cust_2")
    for unknown in ("cust_9", "erased:1", "\ud800", "a\0b"):
        with pytest.raises(CustomerNotFound) as not_found:
            ask(database, unknown)
        assert type(not_found.value) is CustomerNotFound


def test_the_same_id_in_another_project_is_another_customer(database: Database) -> None:
    projector = Projector(database)
    with pytest.raises(CustomerNotFound) as raised:
        projector.customer("cust_1", project_id="proj_2")
    assert not isinstance(raised.value, CustomerErased)
    append_and_project(database, created("cust_1", at=_FIRST, project_id="proj_2"))
    assert projector.customer("cust_1").project_id == "proj_2"
    with pytest.raises(CustomerErased):
        projector.customer("cust_1", project_id="proj_1")
    # Of two erasures of the same id, in different projects, the last one is named.
    erase(database, "cust_1", project_id="proj_2")
    with pytest.raises(CustomerErased, match=r"\(erasure 2\)"):
        projector.customer("cust_1")
    with pytest.raises(CustomerErased, match=r"\(erasure 1\)"):
        projector.customer("cust_1", project_id="proj_1")


def test_who_came_back_is_a_customer_like_others(database: Database) -> None:
    run(database, "DELETE FROM suppressed")
    append_and_project(database, created("cust_1", at=_FIRST, name="Ada once more"))
    assert Projector(database).customer("cust_1").name == "Ada once more"
    assert len(find_events(database, "cust_1", limit=10).events) == 1
    with pytest.raises(CustomerNotFound) as raised:
        Projector(database).customer("cust_1", at_position=3)
    assert not isinstance(raised.value, CustomerErased)


def test_a_batch_names_the_erased_among_those_it_did_not_find(database: Database) -> None:
    found = find_customers(database, ["cust_1", "cust_2", "cust_9", "erased:1", "cust_1"])
    assert [each.customer_id for each in found.customers] == ["cust_2"]
    assert (found.not_found, found.erased, found.ambiguous) == (
        ("cust_9", "erased:1"),
        ("cust_1",),
        (),
    )
    elsewhere = find_customers(database, ["cust_1"], project_id="proj_2")
    assert (elsewhere.not_found, elsewhere.erased) == (("cust_1",), ())


def test_lists_and_counts_of_the_past_leave_the_erased_out(database: Database) -> None:
    projector = Projector(database)
    page = projector.members(segment_id="seg_1", as_of=_THEN, limit=10)
    assert [each.customer_id for each in page.members] == ["cust_2"]
    [segment] = projector.segments()
    assert segment.members == 1
    [size] = projector.segment_sizes("seg_1", to_day=_THEN.date(), days=1).days
    assert (size.members, size.entered) == (1, 1)
    for at_position in (None, 3, 6):
        found = [each.customer_id for each in projector.export_customers(at_position=at_position)]
        assert found == ([] if at_position == 3 else ["cust_2"])
    assert [each.customer_id for each in projector.search("Ada of")] == ["cust_2"]
    assert projector.search("cust_1") == []
    assert projector.search("erased:1") == []


def test_the_status_counts_erasures(database: Database) -> None:
    erased = Projector(database).status().erased
    assert (erased.customers, erased.events, erased.last, erased.unpurged) == (1, 3, ERASED_AT, 0)
    erase(database, "cust_2", is_purged=False)
    erased = Projector(database).status().erased
    assert (erased.customers, erased.events, erased.unpurged) == (2, 6, 1)


def test_the_log_shows_markers_and_which_event_tells_of_them(database: Database) -> None:
    page = read_log_page(database, limit=10)
    assert [(each.position, each.type, each.customer_id) for each in page.events] == [
        (7, "projector.erasure", None),
        (6, "customer.loyalty.tier.joined", "cust_2"),
        (5, "customer.segment.entered", "cust_2"),
        (4, "customer.created", "cust_2"),
        (3, "erased", None),
        (2, "erased", None),
        (1, "erased", None),
    ]


def test_what_nobody_sent_breaks_no_silence(database: Database) -> None:
    with database.reading() as connection:
        found = log.last_received_by_type(connection, after=0)
    assert set(found) == {
        "customer.created",
        "customer.segment.entered",
        "customer.loyalty.tier.joined",
    }


def test_a_question_about_somebody_else_looks_for_no_erasure(database: Database) -> None:
    catch_up(database, discover())
    projector = Projector(database)
    seen: list[str] = []

    def note(*arguments: object) -> None:
        seen.append(str(arguments[2]))

    sa_event.listen(database.engine, "before_cursor_execute", note)
    projector.customer("cust_2", as_of=_THEN)
    projector.why("cust_2", segment_id="seg_1")
    assert seen
    assert not [each for each in seen if "suppressed" in each or "erasure" in each]
    with pytest.raises(CustomerErased):
        projector.customer("cust_1")
    assert [each for each in seen if "suppressed" in each]
