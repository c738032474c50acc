"""The list of customers, of whom many may be created in one millisecond: none is left out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.errors import ListStuck
from projector.text.instants import parse, to_text
from projector.voucherify.listing import (
    CustomerList,
    CustomerPage,
    ListedCustomer,
    read_customer_id,
    read_customer_page,
)
from projector.voucherify.pages import PageUnreadable

_BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
_REQUESTS_MAX = 500


def _customer(number: int, millisecond: int) -> ListedCustomer:
    return ListedCustomer(f"cust_{number}", _BEGIN + timedelta(milliseconds=millisecond))


class _Server:
    """Lists customers, with the freedoms that the description of the API leaves."""

    def __init__(self, *, is_inclusive: bool, says_more: bool, says_total: bool) -> None:
        self.customers: list[ListedCustomer] = []
        self._is_inclusive = is_inclusive
        self._says_more = says_more
        self._says_total = says_total

    def page(self, query: dict[str, str]) -> CustomerPage:
        found = sorted(self.customers, key=lambda each: (each.created_at, each.customer_id))
        if "starting_after" in query:
            found = [each for each in found if self._is_behind(each, query["starting_after"])]
        if "created_at[after]" in query:
            low, high = parse(query["created_at[after]"]), parse(query["created_at[before]"])
            if self._is_inclusive:
                found = [each for each in found if low <= each.created_at <= high]
            else:
                found = [each for each in found if low < each.created_at < high]
        limit = int(query["limit"])
        begin = (int(query.get("page", "1")) - 1) * limit
        page = found[begin : begin + limit]
        body: dict[str, Any] = {
            "object": "list",
            "customers": [
                {"id": each.customer_id, "created_at": to_text(each.created_at)} for each in page
            ],
        }
        if self._says_more:
            body["has_more"] = begin + limit < len(found)
        if self._says_total:
            body["total"] = len(self.customers)
        return read_customer_page(json.dumps(body).encode(), entries_max=limit)

    def _is_behind(self, each: ListedCustomer, text: str) -> bool:
        at = parse(text)
        return each.created_at >= at if self._is_inclusive else each.created_at > at


@given(
    milliseconds=st.lists(st.integers(0, 12), max_size=60),
    born_meanwhile=st.lists(st.integers(0, 3), max_size=5),
    entries_max=st.integers(2, 7),
    inclusive=st.booleans(),
    says_more=st.booleans(),
    says_total=st.booleans(),
)
def test_every_customer_is_listed_whoever_shares_a_time(
    milliseconds: list[int],
    born_meanwhile: list[int],
    entries_max: int,
    inclusive: bool,
    says_more: bool,
    says_total: bool,
) -> None:
    server = _Server(is_inclusive=inclusive, says_more=says_more, says_total=says_total)
    server.customers = [_customer(number, at) for number, at in enumerate(milliseconds)]
    there = {each.customer_id for each in server.customers}
    listed, listing, now = [], CustomerList(entries_max=entries_max), 12
    for _ in range(_REQUESTS_MAX):
        if listing.is_done:
            break
        listed += listing.follow(server.page(listing.query()))
        if born_meanwhile:
            now += born_meanwhile.pop()
            server.customers.append(_customer(1000 + len(born_meanwhile), now))
    assert listing.is_done
    assert there <= set(listed)


def _list(listing: CustomerList, server: _Server) -> tuple[int, int]:
    """List everything; return the numbers of requests and of customers."""
    requests = listed = 0
    while not listing.is_done:
        listed += len(listing.follow(server.page(listing.query())))
        requests += 1
    return requests, listed


def test_without_shared_times_each_page_costs_one_request_and_repeats_one_customer() -> None:
    server = _Server(is_inclusive=False, says_more=True, says_total=True)
    server.customers = [_customer(number, number) for number in range(1000)]
    assert _list(CustomerList(), server) == (11, 1000)


def test_the_members_of_a_segment_are_asked_for_by_its_id() -> None:
    assert CustomerList(segment_id="seg_1").query() == {
        "limit": "100",
        "order": "created_at",
        "segment_id": "seg_1",
    }


def test_more_customers_at_one_time_than_there_are_page_numbers_are_reported() -> None:
    server = _Server(is_inclusive=False, says_more=True, says_total=True)
    server.customers = [_customer(number, 0) for number in range(250)]
    listing = CustomerList(entries_max=2)
    with pytest.raises(ListStuck, match="9,900"):
        _list(listing, server)


class _Deaf(_Server):
    """A server that ignores what it is asked for."""

    def __init__(self, *milliseconds: int) -> None:
        super().__init__(is_inclusive=False, says_more=True, says_total=True)
        self._page = [_customer(at, at) for at in milliseconds]

    def page(self, query: dict[str, str]) -> CustomerPage:
        assert int(query.get("page", "1")) < 5
        return CustomerPage(self._page, None, True)


@pytest.mark.parametrize("milliseconds", [[3, 2], [2, 3], [5, 5]])
def test_a_server_that_ignores_what_it_is_asked_for_ends_the_list(milliseconds: list[int]) -> None:
    with pytest.raises(ListStuck, match="not in the order"):
        _list(CustomerList(entries_max=2), _Deaf(*milliseconds))


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"object":"list","customers":[{"id":"c"}]}',
        b'{"object":"list","customers":[{"id":7,"created_at":"2024-03-01T00:00:00Z"}]}',
        b'{"object":"list","customers":[7]}',
        b"<html>",
    ],
)
def test_what_is_no_list_is_noticed(body: bytes) -> None:
    with pytest.raises(PageUnreadable):
        read_customer_page(body)


def test_the_id_of_one_customer_is_read() -> None:
    assert read_customer_id(b'{"id":"cust_1","source_id":"s"}') == "cust_1"
    for body in (b"{}", b"[]", b'{"id":7}', b'{"id":""}'):
        with pytest.raises(PageUnreadable):
            read_customer_id(body)
