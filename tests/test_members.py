"""Who is in a segment or on a tier, now and then, page by page; and which of them there are."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from projector import Projector, paging
from projector.errors import BadCursor, BadInstant, BadNumber, GroupNotFound, NotOne
from projector.members import Page, SegmentCount, TierCount
from projector.store.engine import Database
from tests.given import (
    Delivery,
    created,
    deleted,
    entered,
    happened,
    joined,
    left,
    prolonged,
    segment,
    tier,
    tier_left,
    upgraded,
)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
_TICK = timedelta(microseconds=1)

#: Both kinds.
GROUPS: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]

#: In their order as bytes, which is that of no language and not that of UTF-16.
_IDS = ["1", "Z", "_", "a", "cust 1", "cust_1", "cust_10", "cust_2", "é", "\uffff", "😀"]


@pytest.fixture
def database(wiped_database: Database) -> Database:
    return wiped_database


def pages(database: Database, *, limit: int, **asked: Any) -> Iterator[Page]:
    """One page after the other."""
    page = Projector(database).members(**asked, limit=limit)
    yield page
    while page.next is not None:
        page = Projector(database).members(**asked, limit=limit, after=page.next)
        yield page


def members(database: Database, *, limit: int = 100, **asked: Any) -> list[tuple[str, str]]:
    """Everybody, by project and customer."""
    return [
        (each.project_id, each.customer_id)
        for page in pages(database, limit=limit, **asked)
        for each in page.members
    ]


def names(database: Database, **asked: Any) -> list[str]:
    """The ids of the customers."""
    return [customer_id for _, customer_id in members(database, **asked)]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _everywhere(project_ids: list[str], customer_ids: list[str]) -> list[Delivery]:
    """All of them are in a segment and, in two campaigns, on a tier."""
    happens: list[Delivery] = []
    for project_id in project_ids:
        for customer_id in customer_ids:
            more: dict[str, Any] = {"at": MONDAY, "project_id": project_id}
            happens += [
                entered(customer_id, "seg_1", **more),
                joined(customer_id, "ltr_1", "camp_2", **more),
                joined(customer_id, "ltr_1", "camp_1", **more),
            ]
    return happens


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 21, 22, 23, 10_000])
def test_any_size_of_pages_gives_the_same_members_in_their_order(
    database: Database, limit: int
) -> None:
    happened(database, *reversed(_everywhere(["proj_1", "proj_É"], _IDS)))
    everybody = [(project_id, each) for project_id in ("proj_1", "proj_É") for each in _IDS]
    then = instant(MONDAY)
    for as_of in (None, then):
        found = list(pages(database, segment_id="seg_1", as_of=as_of, limit=limit))
        assert [len(page.members) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert 1 <= len(found[-1].members) <= limit, "no page too many"
        assert members(database, segment_id="seg_1", as_of=as_of, limit=limit) == everybody
        # Once for each campaign.
        twice = [each for each in everybody for _ in range(2)]
        assert members(database, tier_id="ltr_1", as_of=as_of, limit=limit) == twice


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("group", GROUPS)
def test_the_members_of_one_project_are_those_of_all_projects_but_for_the_others(
    database: Database, limit: int, group: dict[str, Any]
) -> None:
    happened(database, *_everywhere(["proj_1", "proj_2", "proj_3"], _IDS[:4]))
    for as_of in (None, instant(MONDAY)):
        whole = members(database, **group, as_of=as_of)
        for project_id in ("proj_0", "proj_1", "proj_2", "proj_3", "proj_4", "", "\0", "\udcff"):
            mine = members(database, **group, as_of=as_of, project_id=project_id, limit=limit)
            assert mine == [each for each in whole if each[0] == project_id]


def test_a_cursor_may_be_followed_in_another_project(database: Database) -> None:
    happened(database, *_everywhere(["proj_1", "proj_2", "proj_3"], ["a", "b"]))
    after = Projector(database).members(segment_id="seg_1", project_id="proj_2", limit=1).next
    for project_id, found in (
        ("proj_1", []),
        ("proj_2", ["b"]),
        ("proj_3", ["a", "b"]),
        (None, ["b", "a", "b"]),
    ):
        page = Projector(database).members(
            segment_id="seg_1", project_id=project_id, after=after, limit=9
        )
        assert [each.customer_id for each in page.members] == found


def test_the_members_are_those_of_that_segment_and_of_that_tier(database: Database) -> None:
    happened(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        entered("cust_2", "seg_2", at=MONDAY),
        entered("cust_3", "seg_1", at=MONDAY),
        left("cust_3", "seg_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        joined("cust_2", "ltr_1", at=MONDAY),
        upgraded("cust_2", "ltr_1", "ltr_2", at=TUESDAY),
    )
    assert names(database, segment_id="seg_1") == ["cust_1"]
    assert names(database, segment_id="seg_2") == ["cust_2"]
    assert names(database, tier_id="ltr_1") == ["cust_1"]
    assert names(database, tier_id="ltr_2") == ["cust_2"]


def test_a_member_is_told_with_who_it_is_and_since_when(database: Database) -> None:
    happened(
        database,
        created("cust_1", at=MONDAY, source_id="shop", name="Ada"),
        entered("cust_1", "seg_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=WEDNESDAY, created_at=MONDAY),
        # The entry into the tier was lost.
        prolonged("cust_2", "ltr_1", at=TUESDAY, expiration_date="2025-01-01"),
    )
    [member] = Projector(database).members(segment_id="seg_1", limit=1).members
    assert (member.project_id, member.customer_id) == ("proj_1", "cust_1")
    assert (member.source_id, member.name, member.since) == ("shop", "Ada", instant(TUESDAY))
    for as_of in (None, instant(THURSDAY)):
        both = Projector(database).members(tier_id="ltr_1", as_of=as_of, limit=2).members
        assert [(each.customer_id, each.since) for each in both] == [
            ("cust_1", instant(MONDAY)),
            ("cust_2", None),
        ]


def test_who_is_deleted_is_no_member(database: Database) -> None:
    for customer_id in ("cust_1", "cust_2"):
        happened(
            database,
            entered(customer_id, "seg_1", at=MONDAY),
            joined(customer_id, "ltr_1", at=MONDAY),
        )
    happened(database, deleted("cust_1", at=TUESDAY))
    for group in GROUPS:
        assert names(database, **group) == ["cust_2"]
        assert names(database, **group, as_of=instant(TUESDAY)) == ["cust_2"]
        assert names(database, **group, as_of=instant(TUESDAY) - _TICK) == ["cust_1", "cust_2"]


def test_only_what_somebody_was_ever_in_is_known(database: Database) -> None:
    happened(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        left("cust_1", "seg_2", at=TUESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
        tier_left("cust_2", "ltr_2", at=TUESDAY),
    )
    groups: list[dict[str, Any]] = [
        {"segment_id": "seg_1"},
        {"segment_id": "seg_2"},
        {"tier_id": "ltr_1"},
        {"tier_id": "ltr_2"},
    ]
    for group in groups:
        assert Projector(database).members(**group, limit=1) == Page(members=(), next=None)
    for unknown in ("ltr_1", "seg_3", "", "x" * 201, "\0", "\udcff"):
        with pytest.raises(GroupNotFound, match="segment"):
            Projector(database).members(segment_id=unknown, limit=1)
    for unknown in ("seg_1", "camp_1", "ltr_3", ""):
        with pytest.raises(GroupNotFound, match="tier"):
            Projector(database).members(tier_id=unknown, limit=1)


def test_behind_a_cursor_what_nobody_was_ever_in_is_not_known_either(database: Database) -> None:
    happened(database, *_everywhere(["proj_1"], ["cust_1"]))
    for unknown, cursor in (
        ({"segment_id": "nothing"}, paging.cursor(["proj_1", "cust_1"])),
        ({"tier_id": "nothing"}, paging.cursor(["proj_1", "cust_1", "camp_1"])),
    ):
        asked: dict[str, Any] = {**unknown, "after": cursor}
        with pytest.raises(GroupNotFound):
            Projector(database).members(**asked, limit=1)


def test_exactly_one_group_is_asked_for(database: Database) -> None:
    both: dict[str, Any] = {"segment_id": "seg_1", "tier_id": "ltr_1"}
    for asked in ({}, both):
        with pytest.raises(NotOne):
            Projector(database).members(**asked, limit=1)


@pytest.mark.parametrize("limit", [0, -1, 10_001, 2**70])
def test_a_page_has_from_1_to_10_000_members(database: Database, limit: int) -> None:
    with pytest.raises(BadNumber, match="1 to 10000"):
        Projector(database).members(segment_id="seg_1", limit=limit)


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("", id="nothing"),
        pytest.param("garbage", id="garbage"),
        pytest.param("é", id="no ASCII"),
        pytest.param("W10", id="an empty list"),
        pytest.param(paging.cursor(["proj_1"]), id="too short"),
        pytest.param(paging.cursor([7]), id="of the quarantine"),
        pytest.param(paging.cursor(["customer", 7]), id="of the dead letters"),
        pytest.param(paging.cursor(["proj_1", 2**70]), id="a number"),
        pytest.param(paging.cursor(["proj_1", "cust\0"]), id="NUL, segment"),
        pytest.param(paging.cursor(["proj_1", "cust_1", "camp\0"]), id="NUL, tier"),
        pytest.param("WyJcdWQ4MDAiLCJhIl0", id="half a character"),
    ],
)
def test_what_no_page_ended_with_is_no_cursor(database: Database, cursor: str) -> None:
    happened(database, *_everywhere(["proj_1"], ["cust_1"]))
    for group in GROUPS:
        with pytest.raises(BadCursor):
            Projector(database).members(**group, after=cursor, limit=1)


def test_a_cursor_of_the_other_kind_is_none(database: Database) -> None:
    happened(database, *_everywhere(["proj_1"], ["cust_1", "cust_2"]))
    of_segment = Projector(database).members(segment_id="seg_1", limit=1).next
    of_tier = Projector(database).members(tier_id="ltr_1", limit=1).next
    assert of_segment is not None
    assert of_tier is not None
    with pytest.raises(BadCursor):
        Projector(database).members(tier_id="ltr_1", after=of_segment, limit=1)
    with pytest.raises(BadCursor):
        Projector(database).members(segment_id="seg_1", after=of_tier, limit=1)


def test_a_long_text_that_is_no_cursor_is_not_repeated_whole() -> None:
    with pytest.raises(BadCursor) as raised:
        paging.place("x" * 100_000, tuple[str, str])
    assert len(str(raised.value)) < 200


def test_who_comes_and_goes_moves_nobody_to_another_page(database: Database) -> None:
    for number in (1, 3, 5, 7):
        happened(database, entered(f"cust_{number}", "seg_1", at=MONDAY))
    first = Projector(database).members(segment_id="seg_1", limit=2)
    assert [each.customer_id for each in first.members] == ["cust_1", "cust_3"]
    happened(
        database,
        left("cust_1", "seg_1", at=TUESDAY),
        # The very one that the cursor stands for.
        left("cust_3", "seg_1", at=TUESDAY),
        entered("cust_2", "seg_1", at=TUESDAY),
        entered("cust_4", "seg_1", at=TUESDAY),
    )
    second = Projector(database).members(segment_id="seg_1", limit=2, after=first.next)
    assert [each.customer_id for each in second.members] == ["cust_4", "cust_5"]


def test_the_members_of_then_are_those_whose_stint_had_begun_and_not_ended(
    database: Database,
) -> None:
    happened(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        upgraded("cust_1", "ltr_1", "ltr_2", at=TUESDAY),
        upgraded("cust_1", "ltr_2", "ltr_1", at=WEDNESDAY),
    )
    for text, is_member in ((MONDAY, True), (TUESDAY, False), (WEDNESDAY, True)):
        for group in GROUPS:
            at = instant(text)
            assert names(database, **group, as_of=at) == ["cust_1"] * is_member
            assert names(database, **group, as_of=at + _TICK) == ["cust_1"] * is_member
            assert names(database, **group, as_of=at - _TICK) == ["cust_1"] * (text == TUESDAY)


def test_since_when_is_that_of_the_stint(database: Database) -> None:
    happened(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY),
        entered("cust_1", "seg_1", at=WEDNESDAY),
        joined("cust_1", "ltr_1", at=MONDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
        joined("cust_1", "ltr_1", at=WEDNESDAY),
    )
    for group in GROUPS:
        for as_of, since in ((instant(MONDAY), MONDAY), (instant(THURSDAY), WEDNESDAY)):
            [member] = Projector(database).members(**group, as_of=as_of, limit=2).members
            assert member.since == instant(since)


def test_of_a_leaving_and_an_entering_at_one_instant_the_last_one_counts(
    database: Database,
) -> None:
    happened(
        database,
        entered("cust_1", "seg_1", at=MONDAY),
        left("cust_1", "seg_1", at=TUESDAY, id="1"),
        entered("cust_1", "seg_1", at=TUESDAY, id="2"),
        entered("cust_2", "seg_1", at=TUESDAY, id="3"),
        left("cust_2", "seg_1", at=TUESDAY, id="4"),
        joined("cust_1", "ltr_1", at=TUESDAY, id="5"),
        upgraded("cust_1", "ltr_1", "ltr_2", at=TUESDAY, id="6"),
    )
    for as_of in (None, instant(TUESDAY), instant(WEDNESDAY)):
        assert names(database, segment_id="seg_1", as_of=as_of) == ["cust_1"]
        assert names(database, tier_id="ltr_1", as_of=as_of) == []
        assert names(database, tier_id="ltr_2", as_of=as_of) == ["cust_1"]


def test_a_stint_of_unknown_beginning_makes_nobody_a_member_of_then(database: Database) -> None:
    happened(
        database,
        left("cust_1", "seg_1", at=TUESDAY),
        tier_left("cust_1", "ltr_1", at=TUESDAY),
    )
    for at in (MONDAY, TUESDAY, WEDNESDAY):
        assert names(database, segment_id="seg_1", as_of=instant(at)) == []
        assert names(database, tier_id="ltr_1", as_of=instant(at)) == []


def test_an_event_that_comes_late_changes_who_was_there(database: Database) -> None:
    happened(database, left("cust_1", "seg_1", at=WEDNESDAY))
    assert names(database, segment_id="seg_1", as_of=instant(TUESDAY)) == []
    happened(database, entered("cust_1", "seg_1", at=MONDAY))
    assert names(database, segment_id="seg_1", as_of=instant(TUESDAY)) == ["cust_1"]
    assert names(database, segment_id="seg_1") == []


def test_an_instant_of_then_may_have_any_offset_and_must_have_one(database: Database) -> None:
    happened(database, entered("cust_1", "seg_1", at=MONDAY))
    elsewhere = timezone(timedelta(hours=5, minutes=45))
    at = instant(MONDAY).astimezone(elsewhere)
    assert names(database, segment_id="seg_1", as_of=at) == ["cust_1"]
    assert names(database, segment_id="seg_1", as_of=at - _TICK) == []
    for extreme, found in (
        (datetime.min.replace(tzinfo=UTC), []),
        (datetime.max.replace(tzinfo=UTC), ["cust_1"]),
    ):
        assert names(database, segment_id="seg_1", as_of=extreme) == found
    for wrong in (instant(MONDAY).replace(tzinfo=None), datetime.min.replace(tzinfo=elsewhere)):
        with pytest.raises(BadInstant):
            Projector(database).members(segment_id="seg_1", as_of=wrong, limit=1)


def test_segments_are_counted_in_each_project(database: Database) -> None:
    happened(
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
    happened(
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


def test_a_segment_has_the_name_that_was_told_last(database: Database) -> None:
    old, new, newest = (segment("seg_1", name=each) for each in ("Old", "New", None))
    happened(database, entered("cust_3", old, at=MONDAY), entered("cust_2", new, at=TUESDAY))
    assert _segments(database) == [_count("New", 2)]
    happened(database, left("cust_3", segment("seg_1", name="Newer"), at=WEDNESDAY))
    # Who leaves may be told no name, and then the row has an old one: only entries count.
    assert _segments(database) == [_count("New", 1)]
    happened(database, entered("cust_1", newest, at=THURSDAY))
    assert _segments(database) == [_count(None, 2)]


def test_a_deletion_tells_no_name_of_a_segment(database: Database) -> None:
    happened(
        database,
        entered("cust_1", segment("seg_1", name="Old"), at=MONDAY),
        entered("cust_2", segment("seg_1", name="New"), at=TUESDAY),
        deleted("cust_1", at=WEDNESDAY),
    )
    assert _segments(database) == [_count("New", 1)]


@pytest.mark.parametrize("names", [(None, "a"), ("a", None), ("a", "B"), ("B", "a"), ("é", "z")])
def test_of_two_names_of_one_instant_every_database_shows_the_same(
    database: Database, names: tuple[str | None, str | None]
) -> None:
    last = max((name is not None, name) for name in names)[1]
    for number, name in enumerate(names):
        happened(
            database,
            entered(f"cust_{number}", segment("seg_1", name=name), at=MONDAY),
            joined(f"cust_{number}", tier("ltr_1", name=name), at=MONDAY),
        )
    assert _segments(database) == [_count(last, 2)]
    assert [each.name for each in _tiers(database)] == [last]


def test_a_tier_and_its_campaign_have_the_names_that_were_told_last(database: Database) -> None:
    def joins(customer_id: str, at: str, name: str, campaign: str) -> Delivery:
        more: dict[str, Any] = {"campaign": {"id": "camp_1", "name": campaign}}
        return joined(customer_id, tier("ltr_1", name=name), at=at, **more)

    happened(
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
