"""Members come page by page: any size of pages, and what a cursor is."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from projector import Projector
from projector.errors import BadCursor, BadNumber, GroupNotFound
from projector.queries.members import MemberPage
from projector.store.database import Database
from projector.text import paging
from tests.support.given import Delivery, append_and_project, entered, joined, left

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"

#: Both kinds.
GROUPS: list[dict[str, Any]] = [{"segment_id": "seg_1"}, {"tier_id": "ltr_1"}]

#: In their order as bytes, which is that of no language and not that of UTF-16.
_IDS = ["1", "Z", "_", "a", "cust 1", "cust_1", "cust_10", "cust_2", "é", "\uffff", "😀"]


def pages(database: Database, *, limit: int, **asked: Any) -> Iterator[MemberPage]:
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
    append_and_project(database, *reversed(_everywhere(["proj_1", "proj_É"], _IDS)))
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
    append_and_project(database, *_everywhere(["proj_1", "proj_2", "proj_3"], _IDS[:4]))
    for as_of in (None, instant(MONDAY)):
        whole = members(database, **group, as_of=as_of)
        for project_id in ("proj_0", "proj_1", "proj_2", "proj_3", "proj_4", "", "\0", "\udcff"):
            mine = members(database, **group, as_of=as_of, project_id=project_id, limit=limit)
            assert mine == [each for each in whole if each[0] == project_id]


def test_a_cursor_may_be_followed_in_another_project(database: Database) -> None:
    append_and_project(database, *_everywhere(["proj_1", "proj_2", "proj_3"], ["a", "b"]))
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


def test_a_cursor_does_not_make_an_unknown_segment_known(database: Database) -> None:
    append_and_project(database, *_everywhere(["proj_1"], ["cust_1"]))
    for unknown, cursor in (
        ({"segment_id": "nothing"}, paging.to_cursor(["proj_1", "cust_1"])),
        ({"tier_id": "nothing"}, paging.to_cursor(["proj_1", "cust_1", "camp_1"])),
    ):
        asked: dict[str, Any] = {**unknown, "after": cursor}
        with pytest.raises(GroupNotFound):
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
        pytest.param(paging.to_cursor(["proj_1"]), id="too short"),
        pytest.param(paging.to_cursor([7]), id="of the quarantine"),
        pytest.param(paging.to_cursor(["customer", 7]), id="of the dead letters"),
        pytest.param(paging.to_cursor(["proj_1", 2**70]), id="a number"),
        pytest.param(paging.to_cursor(["proj_1", "cust\0"]), id="NUL, segment"),
        pytest.param(paging.to_cursor(["proj_1", "cust_1", "camp\0"]), id="NUL, tier"),
        pytest.param("WyJcdWQ4MDAiLCJhIl0", id="half a character"),
    ],
)
def test_an_invented_cursor_is_refused(database: Database, cursor: str) -> None:
    append_and_project(database, *_everywhere(["proj_1"], ["cust_1"]))
    for group in GROUPS:
        with pytest.raises(BadCursor):
            Projector(database).members(**group, after=cursor, limit=1)


def test_a_cursor_of_the_other_kind_is_none(database: Database) -> None:
    append_and_project(database, *_everywhere(["proj_1"], ["cust_1", "cust_2"]))
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
        paging.from_cursor("x" * 100_000, tuple[str, str])
    assert len(str(raised.value)) < 200


def test_changing_members_do_not_move_others_between_pages(database: Database) -> None:
    for number in (1, 3, 5, 7):
        append_and_project(database, entered(f"cust_{number}", "seg_1", at=MONDAY))
    first = Projector(database).members(segment_id="seg_1", limit=2)
    assert [each.customer_id for each in first.members] == ["cust_1", "cust_3"]
    append_and_project(
        database,
        left("cust_1", "seg_1", at=TUESDAY),
        # The very one that the cursor stands for.
        left("cust_3", "seg_1", at=TUESDAY),
        entered("cust_2", "seg_1", at=TUESDAY),
        entered("cust_4", "seg_1", at=TUESDAY),
    )
    second = Projector(database).members(segment_id="seg_1", limit=2, after=first.next)
    assert [each.customer_id for each in second.members] == ["cust_4", "cust_5"]
