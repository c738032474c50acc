"""The pages that find customers, and that show segments and tiers over time, with their members."""

import csv
import html
import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from projector.store.database import Database
from tests.support.console import Browser, Document
from tests.support.databases import url_of
from tests.support.given import (
    append_and_project,
    created,
    deleted,
    entered,
    joined,
    left,
    segment,
    tier,
    tier_left,
    upgraded,
)
from tests.support.server_process import serving

_TODAY = datetime.now(UTC).replace(microsecond=0)
_LATELY = (_TODAY - timedelta(days=3)).isoformat()
_PAGE_BYTES_MAX = 80_000

#: Names that are taken for something else where they are not quoted.
_ODD = {
    "odd_1": '=HYPERLINK("http://evil.test")',
    "odd_2": "+1",
    "odd_3": "-1",
    "odd_4": "@SUM(A1)",
    "odd_5": "\tTab",
    "odd_6": "\rReturn",
    "odd_7": 'Quote " and, comma',
    "odd_8": "Two\r\nlines",
    "odd_9": "<script>alert(1)</script>",
    "odd_0": "\N{RIGHT-TO-LEFT OVERRIDE}ada \N{GRINNING FACE}" + "x" * 180,
    "o/d?d&1 #%": "Slash",
}
_SEGMENT = segment("seg_1", name="Espresso <lovers> & co")
_GOLD, _SILVER = tier("ltr_2", 200, name="Gold"), tier("ltr_1", 100, name="Silver")
_CROWD = 30


@pytest.fixture(scope="module")
def browser(
    shared_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Browser]:
    """A browser of a shop with odd customers, on each engine."""
    at = "2024-03-01T12:00:00Z"
    append_and_project(
        shared_database,
        *(
            created(id_, at=at, name=name, source_id=f"shop-{id_}", email=f"{n}@example.com")
            for n, (id_, name) in enumerate(_ODD.items())
        ),
        *(entered(id_, _SEGMENT, at="2024-03-02T23:30:00Z") for id_ in _ODD),
        *(entered(f"crowd_{n}", _SEGMENT, at="2024-03-03T12:00:00Z") for n in range(_CROWD)),
        *(left(f"crowd_{n}", _SEGMENT, at=_LATELY) for n in range(4)),
        left("unknown", _SEGMENT, at="2024-03-04T12:00:00Z"),
        entered("crowd_1", segment("seg_2", name="Empty"), at=at),
        left("crowd_1", segment("seg_2", name="Empty"), at="2024-03-05T12:00:00Z"),
        entered("crowd_1", "seg/3", at=at),
        entered("crowd_1", "seg_4", at=at, project_id="proj_2"),
        created("crowd_1", at=at, name="Mara Lindqvist", source_id="mara", email="m@example.com"),
        joined("crowd_1", _SILVER, at="2024-03-01T12:00:00Z"),
        joined("crowd_2", _SILVER, at="2024-03-01T12:00:00Z"),
        upgraded("crowd_1", _SILVER, _GOLD, at=_LATELY),
        tier_left("crowd_2", _SILVER, "camp_1", at=_LATELY),
        created("gone", at=at, name="Gone Girl"),
        deleted("gone", at=_LATELY),
    )
    with serving(tmp_path_factory.mktemp("server"), url_of(shared_database)) as server:
        yield Browser(server.client)


def _check(page: Document) -> Document:
    assert page.status == 200
    assert page.flaws == []
    assert len(page.reply.body) <= _PAGE_BYTES_MAX
    assert "<script>alert" not in page.reply.body.decode()
    return page


def test_the_first_page_shows_what_happened_last(browser: Browser) -> None:
    page = _check(browser.get("/console/"))
    assert "Mara Lindqvist Silver → to Gold" in _text(page)
    assert "left Silver" in _text(page)
    assert "Espresso <lovers> & co 37" in _text(page)
    assert "/console/customers/proj_1/crowd_1" in page.links
    assert "Nothing has arrived yet" not in _text(page)


def test_one_exact_hit_leads_to_the_customer(browser: Browser) -> None:
    for text in ("mara", "MARA", "m@example.com"):
        page = browser.get(f"/console/?q={text}")
        where = page.reply.headers.get("location")
        assert (page.status, where) == (303, "/console/customers/proj_1/crowd_1"), text
    odd = "o/d?d&1 #%"
    page = browser.get(f"/console/?q={quote(odd)}")
    expected = "/console/customers/proj_1/o%2Fd%3Fd%261%20%23%25"
    assert (page.status, page.reply.headers["location"]) == (303, expected)


def test_what_a_search_finds_is_listed(browser: Browser) -> None:
    page = _check(browser.get("/console/?q=lind"))
    assert "1 found for “lind”" in _text(page)
    assert "Mara Lindqvist m@example.com mara Gold" in _text(page)
    page = _check(browser.get("/console/?q=shop-odd"))
    assert "10 found for “shop-odd”" in _text(page)
    assert '=HYPERLINK("http://evil.test")' in _text(page)
    page = _check(browser.get("/console/?q=%3Cscript%3Ealert"))
    assert "1 found for “<script>alert”" in _text(page)


def test_a_deleted_customer_is_found_and_marked(browser: Browser) -> None:
    page = _check(browser.get("/console/?q=gone%20g"))
    assert "Gone Girl deleted" in _text(page)


@pytest.mark.parametrize("text", ["nobody%20at%20all", "%00", "%F0%9F%A6%84", "x" * 3_000])
def test_nobody_found_says_how_to_search(browser: Browser, text: str) -> None:
    page = _check(browser.get(f"/console/?q={text}"))
    assert "Nobody found for" in _text(page)
    assert "A customer who was never in any delivery is not known here." in _text(page)


def test_all_segments_are_listed_with_their_numbers(browser: Browser) -> None:
    page = _check(browser.get("/console/segments"))
    assert "Espresso <lovers> & co seg_1 37 0 4" in _text(page)
    assert "Empty seg_2 0" in _text(page)
    assert "/console/segments/seg%2F3?project=proj_1" in page.links
    assert "/console/segments/seg_4?project=proj_2" in page.links
    for link in page.links:
        if link.startswith("/console/segments/"):
            _check(browser.get(link))


def test_a_segment_shows_its_size_and_members(browser: Browser) -> None:
    page = _check(browser.get("/console/segments/seg_1?project=proj_1"))
    assert "Members now 37 −4 in 30 days Entered in 30 days 0 Left in 30 days 4" in _text(page)
    assert "1 membership of unknown beginning is left out" in _text(page)
    assert "Download as CSV" in _text(page)
    assert _points(page).startswith('{"last":"' + _TODAY.date().isoformat())


def test_the_pages_of_members_lead_through_all_of_them(browser: Browser) -> None:
    page = browser.get("/console/segments/seg_1?project=proj_1&span=all")
    names, whys, sizes = set[str](), set[str](), []
    while True:
        _check(page)
        found = {each for each in page.links if each.startswith("/console/customers/")}
        members = {each for each in found if "/why" not in each}
        names |= members
        whys |= found - members
        sizes.append(len(members))
        following = [each for each in page.links if "after=" in each]
        if not following:
            break
        assert "span=all" in following[0]
        page = browser.get(following[0])
    assert (sizes, len(names)) == ([25, 12], 37)
    why = "/console/customers/proj_1/o%2Fd%3Fd%261%20%23%25/why?what=segment%3Aseg_1"
    assert why in whys


@pytest.mark.parametrize(
    ("on", "zone", "number"),
    [
        ("2024-03-01", "UTC", 0),
        ("2024-03-02", "UTC", len(_ODD)),
        # It was half past midnight there.
        ("2024-03-02", "Europe/Warsaw", 0),
        ("2024-03-03", "Europe/Warsaw", len(_ODD) + _CROWD),
        ("no day", "UTC", 37),
        ("9999-12-31", "UTC", 37),
    ],
)
def test_the_members_of_a_day_are_those_at_its_end_in_the_zone(
    browser: Browser, on: str, zone: str, number: int
) -> None:
    visitor = Browser(browser.client, {"console_zone": zone})
    page = _check(visitor.get(f"/console/segments/seg_1?project=proj_1&on={quote(on)}"))
    assert f"Times in {zone}." in _text(page) or number == 0
    file = visitor.get(f"/console/segments/seg_1?project=proj_1&on={quote(on)}&format=csv")
    assert len(_rows(file)) == number
    assert ("The chart counts by days in UTC" in _text(page)) == (zone != "UTC")


def test_an_empty_segment_says_who_was_last(browser: Browser) -> None:
    page = _check(browser.get("/console/segments/seg_2?project=proj_1"))
    assert "Nobody is in it now. The last one left on 5 March 2024." in _text(page)
    page = _check(browser.get("/console/segments/seg_2?project=proj_1&on=2024-01-01"))
    assert "Nobody was in it on 1 January 2024." in _text(page)


def test_a_file_runs_nothing_in_a_spreadsheet(browser: Browser) -> None:
    """Every cell that begins like a formula has an apostrophe; the rest is read back as it is."""
    file = browser.get("/console/segments/seg_1?project=proj_1&format=csv&after=x")
    assert file.reply.headers["content-type"] == "text/csv; charset=utf-8"
    day = _TODAY.date().isoformat()
    expected = f'attachment; filename="espresso-lovers-co-{day}.csv"'
    assert file.reply.headers["content-disposition"] == expected
    rows = _rows(file)
    assert len(rows) == 37
    by_id = {each["voucherify_id"]: each for each in rows}
    for id_, name in _ODD.items():
        guarded = f"'{name}" if name[0] in "=+-@\t\r" else name
        assert by_id[id_]["name"] == guarded
        assert by_id[id_]["customer_number"] == f"shop-{id_}"
    assert by_id["odd_1"]["since"] == "2024-03-02T23:30:00.000Z"
    assert by_id["crowd_5"]["name"] == ""


def test_campaigns_are_listed_with_their_tiers_the_highest_first(browser: Browser) -> None:
    page = _check(browser.get("/console/tiers"))
    assert "1 customer on a tier" in _text(page)
    assert "Gold 1 1 0 Silver 0 0 2" in _text(page)
    for link in page.links:
        if link.startswith("/console/tiers/"):
            _check(browser.get(link))


def test_a_campaign_shows_its_sizes_moves_and_members(browser: Browser) -> None:
    page = _check(browser.get("/console/tiers/camp_1?project=proj_1&span=30d"))
    assert "Gold 1 1 entered and 0 left in 30 days" in _text(page)
    # From Silver to Gold, and from Silver to no tier.
    assert "Silver 1 – 1" in _text(page)
    assert "Who is on Gold" in _text(page)
    assert "Mara Lindqvist" in _text(page)
    why = "/console/customers/proj_1/crowd_1/why?what=tier%3Acamp_1%3Altr_2"
    assert why in page.links
    page = _check(browser.get("/console/tiers/camp_1?project=proj_1&tier=ltr_1&on=2024-03-02"))
    assert "Who is on Silver" in _text(page)
    assert "crowd_2" in _text(page)
    file = browser.get("/console/tiers/camp_1?project=proj_1&tier=ltr_1&on=2024-03-02&format=csv")
    assert [each["tiers"] for each in _rows(file)] == ["Silver", "Silver"]


@pytest.mark.parametrize(
    "path",
    [
        "segments/seg_9",
        "segments/seg_1?project=proj_2",
        "segments/%00",
        "tiers/camp_9",
        "tiers/x/y",
    ],
)
def test_an_unknown_group_is_a_page_that_says_so(browser: Browser, path: str) -> None:
    page = browser.get(f"/console/{path}")
    assert (page.status, page.flaws) == (404, [])


@pytest.mark.parametrize(
    "query", ["span=1e9", "after=%%%", "after=abcd", "on=2024-13-45", "tier=x"]
)
def test_nonsense_in_the_address_is_as_if_it_were_not_there(browser: Browser, query: str) -> None:
    for path in ("segments/seg_1", "tiers/camp_1"):
        page = _check(browser.get(f"/console/{path}?project=proj_1&{query}"))
        assert "Back to today" not in _text(page)


def _text(page: Document) -> str:
    """What a reader sees, with a space between elements."""
    within = re.sub(r"(?s)<desc>.*?</desc>|<title>.*?</title>", "", page.reply.body.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", within)).split())


def _rows(file: Document) -> list[dict[str, str]]:
    assert file.status == 200
    return list(csv.DictReader(io.StringIO(file.reply.body.decode(), newline="")))


def _points(page: Document) -> str:
    [found] = [each["data-points"] for _, each in page.elements if "data-points" in each]
    return found
