"""All that the program asks a database, in each of the ways in which it can be asked."""

from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from projector import Projector
from projector.envelope import CustomerKey
from projector.errors import CustomerAmbiguous, CustomerErased, CustomerNotFound, GroupNotFound
from projector.operate.dead_letters import list_dead_letters, show_dead_letter
from projector.operate.jobs import list_jobs
from projector.operate.quarantine import list_quarantine, show_entry
from projector.projections import discover, named
from projector.projections.groups import GroupKind
from projector.queries import export
from projector.queries.campaigns import list_campaigns
from projector.queries.customer_events import find_events
from projector.queries.customers import (
    NOW,
    PointInTime,
    find_customer,
    find_customers,
    read_customer,
    read_customers,
)
from projector.queries.feeds import FeedReader
from projector.queries.log_position import find_position
from projector.queries.log_tail import read_log_page
from projector.queries.member_details import describe_members
from projector.queries.put_aside import newest_deliveries, newest_failures
from projector.queries.search import search_customers
from projector.queries.sizes import segment_sizes, segment_trends, tier_sizes
from projector.queries.story import timeline
from projector.queries.story.cases import find_case
from projector.queries.story.timeline import find_timeline
from projector.queries.tier_changes import latest_changes, moves_since
from projector.queries.why.case import Target
from projector.queries.why.explain import WhyQuery, WhySegment, why
from projector.runner.lease_monitor import LeaseMonitor
from projector.server.positions import read_tables_position
from projector.store import log, log_ranges, size_series
from projector.store.database import Database
from replay import verify
from tests.plans import recording
from tests.plans.filled import ERASED, LONG, THEN
from tests.support.given import RECEIVED_AT

_MOMENTS = [
    NOW,
    PointInTime(as_of=THEN),
    PointInTime(at_position=15_000),
    PointInTime(as_of=THEN, at_position=15_000),
]


def ask(database: Database) -> None:
    """Ask all of it."""
    _find_customers(database)
    _explain(database)
    _search(database)
    _list_members(database)
    _look_at_sizes(database)
    _list_events(database)
    _tell_stories(database)
    _look_at_the_quarantine(database)
    _look_at_dead_letters(database)
    _look_at_the_whole(database)
    _export(database)
    _archive(database)
    _verify(database)


def _find_customers(database: Database) -> None:
    for moment in _MOMENTS:
        find_customer(database, "cust_7", moment=moment)
        find_customer(database, "cust_50", project_id="proj_1", moment=moment)
        find_customer(database, "shop_7", by_source_id=True, moment=moment)
        find_customer(database, LONG, moment=moment)
        with suppress(CustomerNotFound):
            find_customer(database, "nobody", moment=moment)
        with suppress(CustomerErased):
            find_customer(database, ERASED, moment=moment)
        with suppress(CustomerAmbiguous):
            find_customer(database, "cust_50", moment=moment)
    find_customers(database, ["cust_0", "cust_50", "cust_100", ERASED])
    # As behind a connection pooler.
    with database.reading_tables() as connection:
        read_customer(connection, "cust_7", None, False, NOW)
        read_customer(connection, "shop_7", None, True, NOW)
        read_customers(connection, ["cust_0", "cust_50", "cust_100"])


def _search(database: Database) -> None:
    for project_id in (None, "proj_1"):
        for text in ("cust_7", "shop_7", "customer 7", "no such name"):
            search_customers(database, text, project_id=project_id)


def _look_at_sizes(database: Database) -> None:
    for project_id in (None, "proj_1"):
        segment_sizes(database, "seg_1", project_id=project_id)
        segment_trends(database, project_id=project_id)
        for campaign in list_campaigns(database, project_id=project_id):
            tier_sizes(database, campaign.campaign_id, project_id=project_id)
    with database.reading_tables() as connection:
        for tier_id in ("ltr_1", "nothing"):
            size_series.past_tier(connection, project_id="proj_1", tier_id=tier_id)
            size_series.points_of_tier(connection, project_id="proj_1", tier_id=tier_id)
    latest_changes(database, limit=50)
    moves_since(database, "camp_1", project_id="proj_1", since=THEN)
    keys = [CustomerKey("proj_1", f"cust_{number}") for number in range(7)]
    describe_members(database, keys, at=THEN)


def _explain(database: Database) -> None:
    for moment in _MOMENTS:
        about: dict[str, Any] = {"identifier": "cust_12", "moment": moment}
        why(database, WhyQuery(segment_id="seg_1", **about))
        why(database, WhyQuery(campaign_id="camp_1", **about))
        why(database, WhyQuery(not_="seg_1", **about))
        why(database, WhyQuery(not_="ltr_1", **about))
        with suppress(GroupNotFound):
            why(database, WhyQuery(not_="nothing", **about))
    first = why(database, WhyQuery(segment_id="seg_long", identifier=LONG, limit=80))
    assert isinstance(first, WhySegment)
    why(database, WhyQuery(segment_id="seg_long", identifier=LONG, after=first.next))
    why(database, WhyQuery(not_="seg_long", identifier=LONG))


def _list_members(database: Database) -> None:
    """Pages of now and of then, first ones and later ones, of all projects and of one."""
    projector = Projector(database)
    groups: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]
    for group in groups:
        for more in ({}, {"as_of": THEN}):
            asked: dict[str, Any] = {**group, **more, "limit": 7}
            first = projector.members(**asked, project_id="proj_0")
            assert first.next is not None
            for project_id in (None, "proj_0", "proj_1"):
                # For proj_1 that is behind another project's.
                page = projector.members(**asked, project_id=project_id)
                assert page.next is not None
                projector.members(**asked, project_id=project_id, after=first.next)
                projector.members(**asked, project_id=project_id, after=page.next)
    for kind in ("segment_id", "tier_id"):
        unknown: dict[str, Any] = {kind: "nothing", "limit": 7}
        with suppress(GroupNotFound):
            projector.members(**unknown)
    for project in (None, "proj_1"):
        projector.segments(project_id=project)
        projector.tiers(project_id=project)


def _list_events(database: Database) -> None:
    for identifier in ("cust_7", LONG):
        page = find_events(database, identifier, limit=2)
        assert page.next is not None
        find_events(database, identifier, after=page.next, limit=2)


def _tell_stories(database: Database) -> None:
    """Timelines from the beginning and from snapshots, cases, and a position of the log."""
    for whole_max in (timeline.WHOLE_MAX, 0):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(timeline, "WHOLE_MAX", whole_max)
            for identifier in ("cust_7", LONG):
                for position in (None, 15_000):
                    page = find_timeline(database, identifier, at_position=position, limit=2)
                    assert page.next is not None
                    find_timeline(database, identifier, after=page.next, limit=2)
    target = Target(kind=GroupKind.TIER, campaign_id="camp_1", group_id="ltr_1")
    find_case(database, CustomerKey("proj_0", "cust_12"), target, as_of=THEN, at_position=None)
    find_position(database, THEN)


def _look_at_the_quarantine(database: Database) -> None:
    for resolved in (False, True):
        for reason in (None, "reason 1"):
            page = list_quarantine(database, reason=reason, resolved=resolved, limit=7)
            list_quarantine(database, reason=reason, resolved=resolved, after=page.next, limit=7)
    show_entry(database, 3_500)
    for reason in (None, "reason 1"):
        newest = newest_deliveries(database, reason=reason, after=None, limit=7)
        newest_deliveries(database, reason=reason, after=newest.next, limit=7)


def _look_at_dead_letters(database: Database) -> None:
    for projection in (None, "segment_membership"):
        page = list_dead_letters(database, projection=projection, limit=7)
        list_dead_letters(database, projection=projection, after=page.next, limit=7)
        newest = newest_failures(database, projection=projection, after=None, limit=7)
        newest_failures(database, projection=projection, after=newest.next, limit=7)
    show_dead_letter(database, page.dead_letters[0].position)


def _look_at_the_whole(database: Database) -> None:
    status = Projector(database).status()
    read_tables_position(database)
    reader = FeedReader(database)
    for hours in (0, 3):
        reader.read(RECEIVED_AT + timedelta(hours=hours))
    LeaseMonitor(database).look()
    find_position(database, RECEIVED_AT)
    for type_ in (None, "customer.created", "unknown"):
        read_log_page(database, type_=type_, limit=50)
        read_log_page(database, type_=type_, before=9_000, limit=50)
    list_jobs(database)
    with database.reading() as connection:
        log.last_received_by_type(connection, after=status.head - 100)
        log.read_at(connection, [status.head])


def _export(database: Database) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "PIECE_CUSTOMERS_MAX", 20)
        for at_position in (None, 15_000):
            answers = Projector(database).export_customers(at_position=at_position)
            assert len(list(islice(answers, 30))) == 30
            answers.close()


def _archive(database: Database) -> None:
    with database.reading() as connection:
        first, *_ = log_ranges.read(connection, after=15_000, until=15_100)
        assert log_ranges.read_one(connection, 15_001) == tuple(column[0] for column in first)


def _verify(database: Database) -> None:
    """Of a few customers, whose rows are wrong, and of the whole."""
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE customer SET name = 'Eve'")
    for _ in range(recording.TIMES_MAX):
        verify(database, discover(), sample=10)
    assert verify(database, named(["customer"])).differing
