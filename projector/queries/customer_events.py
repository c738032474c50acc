"""A customer's events as they were received, with keyset pagination."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from projector.envelope import RecordedEvent
from projector.queries.customers import find_keys, require_one
from projector.queries.erased import or_erased
from projector.store import duplicates, log
from projector.store.database import Database
from projector.text import paging

#: The maximum total size of the bodies, in bytes, on a page with more than one event.
PAGE_BYTES_MAX = 4 * 1024 * 1024


@frozen(kw_only=True)
class CustomerEvent:
    """An event of a customer, as the log has it."""

    position: int
    event_id: str
    type: str
    occurred_at: datetime
    received_at: datetime
    #: Whether its stream already held a greater canonical key when it was appended.
    late: bool
    #: The shape of the delivery that it was read from.
    source: str
    #: How many times it was delivered again.
    duplicates: int
    #: The JSON text as it was received.
    body: str


@frozen(kw_only=True)
class EventPage:
    """A page of a customer's events, in the order of their positions."""

    project_id: str
    customer_id: str
    events: tuple[CustomerEvent, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None


def find_events(
    database: Database,
    identifier: str,
    *,
    project_id: str | None = None,
    after: str | None = None,
    limit: int,
) -> EventPage:
    """Return a page of a customer's events; it has less than `limit` if their bodies are long.

    The order is that of arrival (positions), so that a late event does not shift others to another
    page. Raises CustomerNotFound, CustomerErased, CustomerAmbiguous, BadCursor and BadNumber.
    """
    paging.check_limit(limit)
    [last] = paging.from_cursor(after, tuple[paging.Number]) or (0,)
    with or_erased(database, identifier, project_id), database.reading() as connection:
        # By the log's streams, and not by rows: the tables may not have folded these events yet.
        key = require_one(
            find_keys(connection, identifier, project_id, False), identifier, project_id
        )
        events = log.read_customer_page(connection, key, after=last, limit=limit + 1)
        page = _fitting(events, limit)
        repeated = duplicates.find(connection, [each.position for each in page])
    return EventPage(
        project_id=key.project_id,
        customer_id=key.customer_id,
        events=tuple(
            _event(each, repeated[each.position].count if each.position in repeated else 0)
            for each in page
        ),
        next=paging.to_cursor((page[-1].position,)) if len(events) > len(page) else None,
    )


def _fitting(events: Iterable[RecordedEvent], limit: int) -> list[RecordedEvent]:
    page: list[RecordedEvent] = []
    size = 0
    for each in events:
        size += len(each.body)
        if len(page) == limit or (page and size > PAGE_BYTES_MAX):
            break
        page.append(each)
    return page


def _event(recorded: RecordedEvent, repeated: int) -> CustomerEvent:
    return CustomerEvent(
        position=recorded.position,
        event_id=recorded.event_id,
        type=recorded.type,
        occurred_at=recorded.occurred_at,
        received_at=recorded.received_at,
        late=recorded.late,
        source=recorded.source,
        duplicates=repeated,
        body=recorded.body,
    )
