"""Reads the pages of a customer's activity, and decides how they follow one another. PURE.

Pages ascend by time, so that what occurs while they are read is at the end. A page is known by its
last entry, behind which the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote

import msgspec
from attrs import field, frozen, mutable
from msgspec import Raw, Struct

from projector.envelope import id_problem
from projector.text import instants, surrogates

#: The number of entries on a page; the API allows no more.
PAGE_ENTRIES_MAX = 100

#: How far a reading goes back before what an earlier one has read: an event may appear in the
#: activity so long after its time, and its place is then before the end of what was read.
OVERLAP = timedelta(hours=1)

#: The events that a chain of pages remembers.
RECENT_EVENTS_MAX = 5_000


class PageUnreadable(Exception):
    """An answer that is no page, with the reason as the end of a sentence."""


class _Page(Struct, gc=False):
    object: str
    data: list[Raw]
    data_ref: Any = None
    has_more: bool | None = None
    more_starting_after: Any = None


class _Entry(Struct, gc=False):
    id: Any = None
    created_at: Any = None


_page = msgspec.json.Decoder(_Page)
_entry = msgspec.json.Decoder(_Entry)


@frozen(kw_only=True)
class ActivityPage:
    """A page: its entries and the next page."""

    #: The ids of its entries, in order; those that are no identifiers are left out.
    event_ids: tuple[str, ...]
    entries: int
    #: The newest time of an entry; None without any.
    newest_at: datetime | None
    has_more: bool
    #: The event behind which the next page begins; None if it cannot be known.
    cursor: str | None


@frozen(kw_only=True)
class Start:
    """The beginning of a reading: behind an event, from a time on, or the first event."""

    cursor: str | None = None
    from_at: datetime | None = None


def start_of(
    *, is_unfinished: bool, cursor: str | None, newest_at: datetime | None, since: datetime | None
) -> Start:
    """Return where to go on after an earlier reading.

    Behind its last page if it was broken off; else a while before its newest event. `newest_at` is
    no later than the beginning of that reading: what appeared while it went on, before the page
    that was read then, is newer than that but for OVERLAP. `since` is the time from which on events
    are wanted.
    """
    if is_unfinished and cursor is not None:
        return Start(cursor=cursor)
    times = [since, None if newest_at is None else newest_at - OVERLAP]
    return Start(from_at=max((each for each in times if each is not None), default=None))


def activity_path(customer_id: str) -> str:
    """Return the path of a customer's activity."""
    return f"{customer_path(customer_id)}/activity"


def customer_path(identifier: str) -> str:
    """Return the path of a customer, named by the vendor's id or by the shop's own."""
    # A client resolves `..` in a path, and the request would be another one.
    segment = identifier if identifier.strip(".") else identifier.replace(".", "%2E")
    return f"/v1/customers/{quote(segment, safe='%' if segment != identifier else '')}"


def activity_query(start: Start, *, type_: str | None) -> dict[str, str]:
    """Return the query of a page; `type_` is the only type of events that is wanted."""
    query = {"limit": str(PAGE_ENTRIES_MAX), "order": "created_at"}
    if start.cursor is not None:
        query["starting_after_id"] = start.cursor
    elif start.from_at is not None:
        query["start_date"] = instants.to_text(start.from_at)
    if type_ is not None:
        query["type"] = type_
    return query


def read_page(body: bytes) -> ActivityPage:
    """Read a page; raises PageUnreadable."""
    try:
        page = _page.decode(surrogates.mask(body.decode()))
    except (ValueError, RecursionError) as error:
        raise PageUnreadable(f"it is no page of activity: {error}") from None
    if page.object != "list" or page.data_ref not in (None, "data"):
        raise PageUnreadable("it is no list of data")
    entries = [*map(_decode_entry, page.data)]
    event_ids = tuple(each.id for each in entries if id_problem(each.id) is None)
    more = page.more_starting_after
    last_id = event_ids[-1] if event_ids else None
    has_more = page.has_more
    if has_more is None:
        # It must say so; if it does not, a page that is not full is the last one.
        has_more = len(entries) >= PAGE_ENTRIES_MAX
    return ActivityPage(
        event_ids=event_ids,
        entries=len(entries),
        newest_at=max(_times(entries), default=None),
        has_more=has_more,
        cursor=last_id if id_problem(more) else more,
    )


def _decode_entry(raw: Raw) -> _Entry:
    try:
        return _entry.decode(raw)
    except (ValueError, RecursionError):
        return _Entry()


def _times(entries: list[_Entry]) -> Iterator[datetime]:
    for each in entries:
        try:
            yield instants.parse(each.created_at)
        except (ValueError, TypeError):
            continue


@frozen(kw_only=True)
class Step:
    """The step after a page: a next one behind `cursor`, the end, or a failure."""

    #: None if no page follows.
    cursor: str | None = None
    #: Why the pages lead nowhere, as a sentence; None unless they do.
    problem: str | None = None


@mutable
class PageChain:
    """The pages of one reading: whether each leads on. Its memory is bounded.

    A server may say for ever that there is more. So a page must have an event that none of the last
    RECENT_EVENTS_MAX was, and its cursor must not be one of before (Brent's algorithm: a mark,
    which is moved to the present cursor after 1, 2, 4, 8 … pages, is met again in every circle).
    """

    #: An ordered set.
    _event_ids: dict[str, None] = field(factory=dict)
    _mark: str | None = None
    _pages: int = 0

    def follow(self, page: ActivityPage) -> Step:
        """Return what follows a page."""
        is_new = not self._event_ids.keys() >= set(page.event_ids)
        self._event_ids.update(dict.fromkeys(page.event_ids))
        for event_id in list(
            islice(self._event_ids, max(len(self._event_ids) - RECENT_EVENTS_MAX, 0))
        ):
            del self._event_ids[event_id]
        if not page.has_more:
            return Step()
        if page.cursor is None:
            return Step(problem="The page says that there is more, but not behind which event.")
        if not is_new or page.cursor == self._mark:
            return Step(problem=f"The pages go in a circle at the event {page.cursor}.")
        self._pages += 1
        if self._pages.bit_count() == 1:
            self._mark = page.cursor
        return Step(cursor=page.cursor)


class _Error(Struct, gc=False):
    code: Any = None
    message: Any = None
    details: Any = None
    resource_type: Any = None


def is_absent(body: bytes) -> bool:
    """Return whether an answer with 404 says that the customer does not exist.

    Any other server answers 404 as well, and that must not count as a customer's absence.
    """
    error = _decode_error(body)
    return error.code == 404 and error.resource_type in (None, "customer")


def error_text(body: bytes, *, secrets: Mapping[str, str]) -> str:
    """Return an error's message, as the end of a sentence; `secrets` are replaced in it."""
    error = _decode_error(body)
    parts = [each for each in (error.message, error.details) if isinstance(each, str) and each]
    text = instants.shorten(" ".join(" ".join(parts).split()), 200)
    for secret, replacement in secrets.items():
        text = text.replace(secret, replacement)
    return f", {text}" if text else ""


def _decode_error(body: bytes) -> _Error:
    try:
        return msgspec.json.decode(body, type=_Error)
    except (ValueError, RecursionError):
        return _Error()
