"""A customer's events as they came, page by page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from projector.envelope import RecordedEvent
from projector.queries.customers import find_keys, require_one
from projector.store import duplicates, log
from projector.store.database import Database
from projector.text import paging

#: The most bytes of bodies on a page that has more than one event.
PAGE_BYTES_MAX = 4 * 1024 * 1024


@frozen(kw_only=True)
class CustomerEvent:
    """An event of a customer as it is in the log."""

    position: int
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool
    #: The shape that it came in.
    source: str
    #: How many times it was delivered again.
    duplicates: int
    #: The JSON text as it came.
    body: str


@frozen(kw_only=True)
class EventPage:
    """Some of a customer's events, in the order of their positions."""

    project_id: str
    customer_id: str
    events: tuple[CustomerEvent, ...]
    #: What to give as `after` for the next page; None at the end.
    next: str | None


def find_events(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    after: str | None = None,
    limit: int,
) -> EventPage:
    """A page of the events of a customer; it ends early where their bodies are long.

    In the order in which they came, so that a late one moves no other to another page. Raises
    CustomerNotFound, CustomerAmbiguous, BadCursor and BadNumber.
    """
    paging.check_limit(limit)
    [last] = paging.from_cursor(after, tuple[paging.Number]) or (0,)
    with database.reading() as connection:
        # Whatever the tables know of them by now.
        who = require_one(
            find_keys(connection, identifier, project_id, False), identifier, project_id
        )
        events = log.read_customer_page(connection, who, after=last, limit=limit + 1)
        shown = _shown(events, limit)
        again = duplicates.find(connection, [each.position for each in shown])
    return EventPage(
        project_id=who.project_id,
        customer_id=who.customer_id,
        events=tuple(
            _event(each, again[each.position].count if each.position in again else 0)
            for each in shown
        ),
        next=paging.to_cursor((shown[-1].position,)) if len(events) > len(shown) else None,
    )


def _shown(events: Iterable[RecordedEvent], limit: int) -> list[RecordedEvent]:
    shown: list[RecordedEvent] = []
    size = 0
    for each in events:
        size += len(each.body)
        if len(shown) == limit or (shown and size > PAGE_BYTES_MAX):
            break
        shown.append(each)
    return shown


def _event(it: RecordedEvent, repeated: int) -> CustomerEvent:
    return CustomerEvent(
        position=it.position,
        event_id=it.event_id,
        type=it.type,
        occurred_at=it.occurred_at,
        received_at=it.received_at,
        late=it.late,
        source=it.source,
        duplicates=repeated,
        body=it.body,
    )
