"""The size of a group on a day is the number of its members as of the end of that day, in UTC."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from projector import Projector
from projector.errors import BadNumber, GroupNotFound
from projector.projections import discover
from projector.projections.groups import SEGMENT
from projector.queries.campaigns import list_campaigns
from projector.queries.sizes import DAYS_MAX, DaySize, segment_trends, size_bounds
from projector.runner.runner import project_batch
from projector.store.append import append
from projector.store.database import Database
from tests.support.databases import wipe
from tests.support.given import (
    RECEIVED_AT,
    append_and_project,
    entered,
    joined,
    left,
    tier,
    tier_left,
    upgraded,
)
from tests.support.histories import Arrival, arrivals, histories

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=15, suppress_health_check=_SHARED)
@given(coming=histories(size_max=20).flatmap(arrivals))
def test_a_size_is_the_number_of_members_at_the_end_of_the_day(
    database: Database, coming: list[Arrival]
) -> None:
    """Whatever came late; and each size follows from the one before and the changes of the day."""
    wipe(database)
    for arrival in coming:
        append(database, arrival.envelopes, received_at=RECEIVED_AT)
        project_batch(database, discover(), batch_events_max=1_000)
    for day in _days(coming):
        trends = segment_trends(database, to_day=day, days=2)
        members: dict[str, int] = {}
        for each in trends.segments:
            members[each.segment_id] = members.get(each.segment_id, 0) + each.members[-1]
        for segment_id, size in members.items():
            found = Projector(database).segment_sizes(segment_id, to_day=day, days=2).days
            assert size == found[-1].members == _members(database, day, segment_id=segment_id)
            # The first day of all has none before it.
            before = found[0].members if len(found) == 2 else 0
            assert size == before + found[-1].entered - found[-1].left
        on_tiers: Counter[str] = Counter()
        for campaign_id in {each.campaign_id for each in list_campaigns(database)}:
            for series in Projector(database).tier_sizes(campaign_id, to_day=day, days=2).tiers:
                on_tiers[series.tier_id] += series.days[-1].members
        for tier_id, size in on_tiers.items():
            assert size == _members(database, day, tier_id=tier_id)


def _members(database: Database, day: date, **group: Any) -> int:
    end = datetime.combine(day, time.max, UTC)
    return len(Projector(database).members(**group, as_of=end, limit=1_000).members)


def _days(coming: list[Arrival]) -> list[date]:
    """The days of events, and those before and after."""
    found = {each.occurred_at.astimezone(UTC).date() for one in coming for each in one.envelopes}
    around = {day + timedelta(days=n) for day in found for n in (-1, 0, 1) if day.year in (2024,)}
    return sorted(around | found)


def test_days_are_those_of_utc_and_the_last_of_them_is_asked_for(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", "seg_1", at="2024-03-01T23:59:59Z"),
        entered("cust_2", "seg_1", at="2024-03-02T01:30:00+02:00"),
        entered("cust_3", "seg_1", at="2024-03-03T00:00:00Z"),
        left("cust_1", "seg_1", at="2024-03-03T12:00:00Z"),
    )
    first, second, third = (date(2024, 3, n) for n in (1, 2, 3))
    sizes = Projector(database).segment_sizes("seg_1", to_day=third, days=3)
    assert (sizes.from_, sizes.to, sizes.unknown) == (first, third, 0)
    assert sizes.days == (
        DaySize(day=first, members=2, entered=2, left=0),
        DaySize(day=second, members=2, entered=0, left=0),
        DaySize(day=third, members=2, entered=1, left=1),
    )
    assert Projector(database).segment_sizes("seg_1", to_day=second, days=1).days == (
        DaySize(day=second, members=2, entered=0, left=0),
    )
    assert len(Projector(database).segment_sizes("seg_1").days) == 90
    bounds = size_bounds(database, SEGMENT, "proj_1", group_id="seg_1")
    assert (bounds.first, bounds.last_left) == (first, third)


def test_memberships_of_unknown_beginning_are_counted_apart(database: Database) -> None:
    append_and_project(
        database,
        left("cust_1", "seg_1", at="2024-03-01T12:00:00Z"),
        entered("cust_2", "seg_1", at="2024-03-01T12:00:00Z"),
        tier_left("cust_1", "ltr_1", "camp_1", at="2024-03-01T12:00:00Z"),
    )
    day = date(2024, 3, 1)
    found = Projector(database).segment_sizes("seg_1", to_day=day, days=1)
    assert (found.unknown, found.days[0].members, found.days[0].left) == (1, 1, 0)
    [only] = Projector(database).tier_sizes("camp_1", to_day=day, days=1).tiers
    assert (only.unknown, only.days[0].members) == (1, 0)


def test_tiers_come_by_their_points_with_names_also_when_all_have_left(database: Database) -> None:
    gold, silver = tier("ltr_1", 200, name="Gold"), tier("ltr_2", 100, name="Silver")
    append_and_project(
        database,
        joined("cust_1", silver, at="2024-03-01T12:00:00Z"),
        joined("cust_2", tier("ltr_0", 150, name="Old"), at="2024-03-01T12:00:00Z"),
        upgraded("cust_2", tier("ltr_0", name="Old"), gold, at="2024-03-02T12:00:00Z"),
        tier_left("cust_3", tier("ltr_9", name="Unseen"), at="2024-03-02T12:00:00Z"),
    )
    [campaign] = list_campaigns(database)
    assert [(each.name, each.points_from, each.members) for each in campaign.tiers] == [
        ("Silver", 100, 1),
        ("Old", 150, 0),
        ("Gold", 200, 1),
        ("Unseen", None, 0),
    ]
    sizes = Projector(database).tier_sizes(campaign.campaign_id, to_day=date(2024, 3, 2), days=2)
    assert [(each.name, [day.members for day in each.days]) for each in sizes.tiers] == [
        ("Silver", [1, 1]),
        ("Old", [1, 0]),
        ("Gold", [0, 1]),
        ("Unseen", [0, 0]),
    ]


def test_of_two_projects_with_the_id_one_may_be_meant(database: Database) -> None:
    at = "2024-03-01T12:00:00Z"
    append_and_project(
        database,
        entered("cust_1", "seg_1", at=at),
        entered("cust_2", "seg_1", at=at, project_id="proj_2"),
        entered("cust_3", "seg_1", at=at, project_id="proj_2"),
    )
    day: Any = {"to_day": date(2024, 3, 1), "days": 1}
    sizes = [
        Projector(database).segment_sizes("seg_1", project_id=each, **day).days[0].members
        for each in (None, "proj_1", "proj_2")
    ]
    assert sizes == [3, 1, 2]
    trends = segment_trends(database, **day).segments
    assert [(each.project_id, each.members, each.entered) for each in trends] == [
        ("proj_1", (1,), 1),
        ("proj_2", (2,), 2),
    ]


@pytest.mark.parametrize("days", [0, DAYS_MAX + 1])
def test_a_size_of_no_days_is_refused(database: Database, days: int) -> None:
    with pytest.raises(BadNumber):
        Projector(database).segment_sizes("seg_1", days=days)


@pytest.mark.parametrize("unknown", ["seg_9", "", "\0", "\ud800"])
def test_an_unknown_group_is_refused(database: Database, unknown: str) -> None:
    append_and_project(database, entered("cust_1", "seg_1", at="2024-03-01T12:00:00Z"))
    with pytest.raises(GroupNotFound):
        Projector(database).segment_sizes(unknown)
    with pytest.raises(GroupNotFound):
        Projector(database).tier_sizes(unknown)
