"""Reads the list of customers, page by page, without a loss. PURE.

The list has no cursor but the time of creation, and customers who were imported together share one.
A page that begins behind the last time of the page before would leave out those who share it. So it
begins behind the last but one, and the customers at the last time come twice; and if a whole page
has one time, that millisecond is read by page numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from attrs import field, mutable
from msgspec import Raw, Struct

from projector.envelope import id_problem
from projector.errors import ListStuck
from projector.text import instants, surrogates
from projector.voucherify.objects import tiers_by_campaign_name
from projector.voucherify.pages import PAGE_ENTRIES_MAX, PageUnreadable

PATH = "/v1/customers"

#: The greatest number of a page.
_NUMBER_MAX = 99

_MILLISECOND = timedelta(milliseconds=1)


class _List(Struct, gc=False):
    object: str
    customers: list[Raw]
    total: int | None = None
    has_more: bool | None = None


class _Customer(Struct, gc=False):
    id: Any = None
    created_at: Any = None
    loyalty: Any = None


_list = msgspec.json.Decoder(_List)
_customer = msgspec.json.Decoder(_Customer)


class ListedCustomer(NamedTuple):
    """A customer of the list."""

    customer_id: str
    created_at: datetime
    #: The ids of the tiers by the names of campaigns; None where a campaign shows no tier.
    tiers: Mapping[str, str | None] = MappingProxyType({})


class CustomerPage(NamedTuple):
    """A page of the list, with the number of customers on all pages, if it says so."""

    customers: list[ListedCustomer]
    total: int | None
    has_more: bool
    #: Whether it does not say if there are more, and is no full page.
    is_unclear: bool = False


def read_customer_page(body: bytes, *, entries_max: int = PAGE_ENTRIES_MAX) -> CustomerPage:
    """Read a page of the list; raises PageUnreadable."""
    try:
        page = _list.decode(surrogates.mask(body.decode()))
        customers = [_read(raw) for raw in page.customers]
    except (ValueError, TypeError, RecursionError) as error:
        raise PageUnreadable(f"it is no list of customers: {error}") from None
    # A full page may be the last one; then the next is empty, or repeats customers.
    has_more = len(customers) >= entries_max or (page.has_more is True and bool(customers))
    is_unclear = page.has_more is None and not has_more
    return CustomerPage(customers, page.total, has_more, is_unclear)


def read_customer_id(body: bytes) -> str:
    """Read the id of one customer; raises PageUnreadable."""
    try:
        customer_id = msgspec.json.decode(surrogates.mask(body.decode()), type=_Customer).id
    except (ValueError, RecursionError) as error:
        raise PageUnreadable(f"it is no customer: {error}") from None
    if problem := id_problem(customer_id):
        raise PageUnreadable(f"the customer's id {problem}")
    return str(customer_id)


def _read(raw: Raw) -> ListedCustomer:
    customer = _customer.decode(raw)
    if problem := id_problem(customer.id):
        raise ValueError(f"a customer's id {problem}")
    tiers = tiers_by_campaign_name(customer.loyalty)
    return ListedCustomer(customer.id, instants.parse(customer.created_at), tiers)


@mutable
class CustomerList:
    """The place in the list of customers, and the query of the next page."""

    segment_id: str | None = None
    entries_max: int = PAGE_ENTRIES_MAX
    is_done: bool = False
    _after: datetime | None = None
    #: The millisecond that is read by page numbers, and the number of its next page.
    _moment: datetime | None = None
    _number: int = 1
    #: Those of the page before, or of the whole millisecond: they may come again.
    _known: set[str] = field(factory=set)
    #: Those of the millisecond's pages so far.
    _of_moment: set[str] = field(factory=set)
    #: The number of customers so far.
    _count: int = 0

    def query(self) -> dict[str, str]:
        """Return the query of the next page."""
        query = {"limit": str(self.entries_max), "order": "created_at"}
        if self.segment_id is not None:
            query["segment_id"] = self.segment_id
        if self._moment is not None:
            query["created_at[after]"] = instants.to_text(self._moment - _MILLISECOND)
            query["created_at[before]"] = instants.to_text(self._moment + _MILLISECOND)
            query["page"] = str(self._number)
        elif self._after is not None:
            query["starting_after"] = instants.to_text(self._after)
        return query

    def follow(self, page: CustomerPage) -> list[str]:
        """Return the ids of the page's customers that are new; raises ListStuck."""
        new = [each.customer_id for each in page.customers if each.customer_id not in self._known]
        self._count += len(new)
        ids = {each.customer_id for each in page.customers}
        # A page that is not full is the last one, unless the total says that it is not.
        has_more = page.has_more or (page.is_unclear and self._count < (page.total or 0))
        if self._moment is None:
            self._known = ids
            self._follow_times(page, has_more=has_more and (page.has_more or bool(new)))
        else:
            leads_on = not ids <= self._of_moment
            self._known |= ids
            self._of_moment |= ids
            self._follow_moment(self._moment, has_more=has_more and leads_on)
        return new

    def _follow_times(self, page: CustomerPage, *, has_more: bool) -> None:
        if not has_more:
            self.is_done = True
            return
        times = [each.created_at for each in page.customers]
        self._check_order(times)
        last = times[-1]
        before = max((at for at in times if at < last), default=None)
        if before is not None and (self._after is None or before > self._after):
            self._after = before
        else:
            self._moment, self._number, self._of_moment = last, 1, set()

    def _follow_moment(self, moment: datetime, *, has_more: bool) -> None:
        if has_more:
            self._number += 1
            if self._number > _NUMBER_MAX:
                at = instants.to_text(moment)
                raise ListStuck(reason=f"more than 9,900 customers were created at {at}")
            return
        # Some servers may begin at this time, and not behind it: the next one is sure to be new.
        at_it_again = self._after is not None and self._after >= moment
        self._after = moment + _MILLISECOND if at_it_again else moment
        self._moment = None

    def _check_order(self, times: Sequence[datetime]) -> None:
        if sorted(times) != [*times] or (self._after is not None and times[0] < self._after):
            raise ListStuck(reason="its customers are not in the order of their creation")
