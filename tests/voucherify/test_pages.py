"""Pages of activity: what is read of them, where a reading begins, and how pages follow."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.voucherify.pages import (
    OVERLAP,
    RECENT_EVENTS_MAX,
    ActivityPage,
    PageChain,
    PageUnreadable,
    Start,
    activity_path,
    activity_query,
    customer_path,
    error_text,
    is_absent,
    read_page,
    start_of,
)
from tests.support.voucherify_api import entry

_AT = datetime(2024, 3, 1, 10, tzinfo=UTC)


def _page(*entries: Any, **more: Any) -> ActivityPage:
    found = {"object": "list", "data_ref": "data", "data": entries, "has_more": True, **more}
    return read_page(json.dumps(found).encode())


def test_a_page_says_where_the_next_one_begins() -> None:
    entries = entry("a", "2024-03-01T10:00:00Z"), entry("b", "2024-03-01T09:00:00Z")
    page = _page(*entries, more_starting_after="c")
    assert page == ActivityPage(
        event_ids=("a", "b"), entries=2, newest_at=_AT, has_more=True, cursor="c"
    )
    for missing in ({}, {"more_starting_after": None}, {"more_starting_after": 7}):
        assert _page(*entries, **missing).cursor == "b"


def test_a_full_page_that_says_nothing_of_a_next_one_is_not_taken_for_the_last() -> None:
    entries = [entry(f"e{number}", "2024-03-01T10:00:00Z") for number in range(100)]
    found = {"object": "list", "data": entries}
    for silent in (found, {**found, "has_more": None}):
        assert read_page(json.dumps(silent).encode()).has_more
    assert not read_page(b'{"object":"list","data":[]}').has_more


def test_broken_entries_hide_no_others() -> None:
    broken: list[Any] = [None, 7, {"id": 7}, {"id": "", "created_at": "noon"}, {"created_at": 9}]
    page = _page(*broken, entry("a", "2024-03-01T10:00:00Z", note="\ud83c"))
    assert (page.event_ids, page.entries, page.newest_at) == (("a",), 6, _AT)
    assert _page(*broken).cursor is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>",
        b"[]",
        b'{"object":"x","data":[]}',
        b'{"object":"list"}',
        b'{"object":"list","data":[],"data_ref":"events"}',
        b"\xff",
    ],
)
def test_an_answer_that_is_no_page_is_noticed(body: bytes) -> None:
    with pytest.raises(PageUnreadable):
        read_page(body)


@given(
    st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["object", "data", "has_more", "more_starting_after", "id"]), inner
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_it(body: bytes) -> None:
    try:
        page = read_page(body)
    except PageUnreadable:
        return
    assert page.entries >= len(page.event_ids)
    is_absent(body)
    error_text(body, secrets={})


def test_a_reading_goes_on_where_it_was_broken_off_and_else_a_while_before_its_end() -> None:
    def start(**more: Any) -> Start:
        given = {"is_unfinished": False, "cursor": "e", "newest_at": _AT, "since": None, **more}
        return start_of(**given)

    assert start(is_unfinished=True) == Start(cursor="e")
    assert start(is_unfinished=True, cursor=None) == Start(from_at=_AT - OVERLAP)
    assert start() == Start(from_at=_AT - OVERLAP)
    assert start(since=_AT) == Start(from_at=_AT)
    assert start(since=_AT - timedelta(days=1)) == Start(from_at=_AT - OVERLAP)
    assert start(newest_at=None) == Start()


def test_a_query_has_a_cursor_or_a_time() -> None:
    common = {"limit": "100", "order": "created_at"}
    assert activity_query(Start(), type_=None) == common
    assert activity_query(Start(cursor="e", from_at=_AT), type_="t") == {
        **common,
        "starting_after_id": "e",
        "type": "t",
    }
    from_at = {**common, "start_date": "2024-03-01T10:00:00.000Z"}
    assert activity_query(Start(from_at=_AT), type_=None) == from_at


@pytest.mark.parametrize(
    ("identifier", "path"),
    [
        ("cust_1", "/v1/customers/cust_1"),
        ("a/../b?c=d#e%2e", "/v1/customers/a%2F..%2Fb%3Fc%3Dd%23e%252e"),
        ("..", "/v1/customers/%2E%2E"),
        (".", "/v1/customers/%2E"),
        ("anna+1@x.test", "/v1/customers/anna%2B1%40x.test"),
        ("Zo\u00eb", "/v1/customers/Zo%C3%AB"),
    ],
)
def test_no_id_leads_to_another_path(identifier: str, path: str) -> None:
    assert customer_path(identifier) == path
    assert activity_path(identifier) == f"{path}/activity"


def test_pages_lead_on_until_one_is_the_last() -> None:
    chain = PageChain()
    first = chain.follow(_page(entry("a", "2024-03-01T10:00:00Z")))
    assert (first.cursor, first.problem) == ("a", None)
    last = chain.follow(_page(entry("b", "2024-03-01T10:00:00Z"), has_more=False))
    assert (last.cursor, last.problem) == (None, None)


@pytest.mark.parametrize(
    "second",
    [
        _page(entry("a", "2024-03-01T10:00:00Z"), more_starting_after="string"),
        _page(entry("a", "2024-03-01T10:00:00Z"), more_starting_after="another"),
        _page(entry("b", "2024-03-01T10:00:00Z"), more_starting_after="string"),
        _page(more_starting_after="another"),
        _page(),
    ],
    ids=["the same", "another cursor", "another event", "empty", "empty and nowhere"],
)
def test_pages_that_lead_nowhere_are_noticed(second: ActivityPage) -> None:
    chain = PageChain()
    assert chain.follow(
        _page(entry("a", "2024-03-01T10:00:00Z"), more_starting_after="string")
    ).cursor
    assert chain.follow(second).problem


@pytest.mark.parametrize("period", [1, 2, 3, 7, 40])
def test_a_circle_of_pages_is_noticed_in_bounded_memory(period: int) -> None:
    """Whether its events come again or its cursors do, and after however many pages before it."""
    for is_of_events in (True, False):
        chain, pages, problem = PageChain(), 0, None
        while problem is None:
            at = pages % period if pages > 10 else 1000 + pages
            names = (f"event {at}", f"cursor {pages}") if is_of_events else (f"e{pages}", f"c{at}")
            step = chain.follow(
                _page(entry(names[0], "2024-03-01T10:00:00Z"), more_starting_after=names[1])
            )
            pages, problem = pages + 1, step.problem
            assert pages < 4 * (period + 11)


def test_a_long_activity_takes_no_more_memory_than_a_short_one() -> None:
    chain = PageChain()
    for number in range(100):
        ids = tuple(f"{number}-{each}" for each in range(100))
        page = ActivityPage(
            event_ids=ids, entries=100, newest_at=None, has_more=True, cursor=ids[-1]
        )
        assert chain.follow(page).cursor == ids[-1]
    assert len(chain._event_ids) == RECENT_EVENTS_MAX


def test_only_voucherify_says_that_a_customer_is_absent() -> None:
    published = {"code": 404, "key": "not_found", "message": "Resource not found"}
    assert is_absent(json.dumps(published).encode())
    assert is_absent(json.dumps({**published, "resource_type": "customer"}).encode())
    others: list[Any] = [{**published, "resource_type": "campaign"}, {"message": "no"}, {}, []]
    for other in others:
        assert not is_absent(json.dumps(other).encode())
    assert not is_absent(b"<html>404</html>")


def test_the_text_of_an_error_shows_no_secret_and_no_line_breaks() -> None:
    body = json.dumps({"message": "Bad\ntoken s3cret", "details": "x" * 500}).encode()
    text = error_text(body, secrets={"s3cret": "***"})
    assert text.startswith(", Bad token *** xxx")
    assert len(text) < 210
    assert error_text(b"<html>", secrets={}) == ""
