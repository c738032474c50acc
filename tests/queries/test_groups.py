"""Which segments and tiers there are, what they are called, and how many are in them."""

from typing import Any

import pytest

from projector import Projector
from projector.queries.members import SegmentCount, TierCount
from projector.store.database import Database
from tests.support.given import (
    Delivery,
    append_and_project,
    deleted,
    entered,
    joined,
    left,
    prolonged,
    segment,
    tier,
    tier_left,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))


def test_segments_are_counted_in_each_project(database: Database) -> None:
    append_and_project(
        database,
        *(entered(f"cust_{n}", "seg_2", at=MONDAY) for n in range(3)),
        left("cust_0", "seg_2", at=TUESDAY),
        deleted("cust_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY, project_id="proj_2"),
        entered("cust_1", "seg_2", at=WEDNESDAY, project_id="proj_2"),
        left("cust_1", "seg_1", at=THURSDAY, project_id="proj_2"),
        # The entry was lost.
        left("cust_9", "seg_3", at=MONDAY),
    )
    found = [(each.project_id, each.segment_id, each.members) for each in _segments(database)]
    assert found == [
        ("proj_1", "seg_2", 1),
        ("proj_1", "seg_3", 0),
        ("proj_2", "seg_1", 0),
        ("proj_2", "seg_2", 1),
    ]
    for project_id in ("proj_0", "proj_1", "proj_2", "\0", "\udcff"):
        mine = [each for each in _segments(database) if each.project_id == project_id]
        assert _segments(database, project_id) == mine


def test_tiers_are_counted_in_each_project_and_campaign(database: Database) -> None:
    append_and_project(
        database,
        *(joined(f"cust_{n}", "ltr_1", at=MONDAY) for n in range(4)),
        joined("cust_0", "ltr_1", "camp_2", at=MONDAY),
        joined("cust_0", "ltr_2", "camp_0", at=MONDAY, project_id="proj_2"),
        upgraded("cust_0", "ltr_1", "ltr_2", at=TUESDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
        deleted("cust_2", at=TUESDAY),
        # Nobody is on it any more.
        joined("cust_5", "ltr_5", at=MONDAY),
        tier_left("cust_5", "ltr_5", at=TUESDAY),
    )
    found = [
        (each.project_id, each.campaign_id, each.tier_id, each.members) for each in _tiers(database)
    ]
    assert found == [
        ("proj_1", "camp_1", "ltr_1", 1),
        ("proj_1", "camp_1", "ltr_2", 1),
        ("proj_1", "camp_2", "ltr_1", 1),
        ("proj_2", "camp_0", "ltr_2", 1),
    ]
    for project_id in ("proj_0", "proj_1", "proj_2", "\0", "\udcff"):
        mine = [each for each in _tiers(database) if each.project_id == project_id]
        assert _tiers(database, project_id) == mine


def test_nothing_is_known_of_an_empty_log(database: Database) -> None:
    assert _segments(database) == []
    assert _tiers(database) == []


def test_a_segment_has_its_newest_name(database: Database) -> None:
    old, new, newest = (segment("seg_1", name=each) for each in ("Old", "New", None))
    append_and_project(
        database, entered("cust_3", old, at=MONDAY), entered("cust_2", new, at=TUESDAY)
    )
    assert _segments(database) == [_count("New", 2)]
    append_and_project(database, left("cust_3", segment("seg_1", name="Newer"), at=WEDNESDAY))
    # Who leaves may be told no name, and then the row has an old one: only entries count.
    assert _segments(database) == [_count("New", 1)]
    append_and_project(database, entered("cust_1", newest, at=THURSDAY))
    assert _segments(database) == [_count(None, 2)]


def test_a_deletion_does_not_change_the_name_of_a_segment(database: Database) -> None:
    append_and_project(
        database,
        entered("cust_1", segment("seg_1", name="Old"), at=MONDAY),
        entered("cust_2", segment("seg_1", name="New"), at=TUESDAY),
        deleted("cust_1", at=WEDNESDAY),
    )
    assert _segments(database) == [_count("New", 1)]


@pytest.mark.parametrize("names", [(None, "a"), ("a", None), ("a", "B"), ("B", "a"), ("é", "z")])
def test_both_databases_show_the_same_of_two_names_at_one_instant(
    database: Database, names: tuple[str | None, str | None]
) -> None:
    last = max((name is not None, name) for name in names)[1]
    for number, name in enumerate(names):
        append_and_project(
            database,
            entered(f"cust_{number}", segment("seg_1", name=name), at=MONDAY),
            joined(f"cust_{number}", tier("ltr_1", name=name), at=MONDAY),
        )
    assert _segments(database) == [_count(last, 2)]
    assert [each.name for each in _tiers(database)] == [last]


def test_a_tier_and_its_campaign_have_their_newest_names(database: Database) -> None:
    def joins(customer_id: str, at: str, name: str, campaign: str) -> Delivery:
        more: dict[str, Any] = {"campaign": {"id": "camp_1", "name": campaign}}
        return joined(customer_id, tier("ltr_1", name=name), at=at, **more)

    append_and_project(
        database,
        joins("cust_3", MONDAY, "Silver", "Spring"),
        joins("cust_1", WEDNESDAY, "Gold", "Autumn"),
        joins("cust_2", TUESDAY, "Bronze", "Summer"),
        # Of a tier since nobody knows when nobody knows either when its name was told.
        prolonged("cust_0", tier("ltr_1", name="Zinc"), at=THURSDAY, expiration_date=None),
        prolonged("cust_4", tier("ltr_2", name="Tin"), at=THURSDAY, expiration_date=None),
    )
    shared: dict[str, Any] = {"project_id": "proj_1", "campaign_id": "camp_1"}
    assert _tiers(database) == [
        TierCount(**shared, campaign_name="Autumn", tier_id="ltr_1", name="Gold", members=4),
        TierCount(
            **shared, campaign_name="Campaign camp_1", tier_id="ltr_2", name="Tin", members=1
        ),
    ]


def _segments(database: Database, project_id: str | None = None) -> list[SegmentCount]:
    return Projector(database).segments(project_id=project_id)


def _tiers(database: Database, project_id: str | None = None) -> list[TierCount]:
    return Projector(database).tiers(project_id=project_id)


def _count(name: str | None, members: int) -> SegmentCount:
    return SegmentCount(project_id="proj_1", segment_id="seg_1", name=name, members=members)
