"""Lists the events of the log, the newest one first."""

from __future__ import annotations

from attrs import frozen

from projector.errors import BadIdentifier
from projector.store import log, log_pages
from projector.store.database import Database
from projector.store.log_pages import LogEntry
from projector.store.predicates import is_storable_text
from projector.text import paging

#: The number of events that one page goes through at the most, for those of one type.
SCANNED_MAX = 10_000


@frozen(kw_only=True)
class LogPage:
    """A page of events, the newest one first."""

    #: The position of the last event in the log.
    head: int
    events: tuple[LogEntry, ...]
    #: The position to give as `before` for the next page; null on the last page. A page of one
    #: type may have fewer events than its limit, or none, and yet a next one.
    next: int | None


def read_log_page(
    database: Database, *, type_: str | None = None, before: int | None = None, limit: int
) -> LogPage:
    """Return the last events before a position, or of the whole log, of one type or of any.

    Raises BadNumber, or BadIdentifier for a type that cannot be stored.
    """
    paging.check_limit(limit)
    if not is_storable_text(type_):
        raise BadIdentifier(name="the type", text=type_, reason="cannot be stored")
    with database.reading() as connection:
        head = log.head(connection)
        end = head + 1 if before is None else min(before, head + 1)
        after = 0 if type_ is None else max(end - 1 - SCANNED_MAX, 0)
        found = log_pages.read_backwards(
            connection, type_=type_, after=after, before=end, limit=limit + 1
        )
    events = tuple(found[:limit])
    # One more was found: the next page begins before the last one here. Otherwise all the events
    # after `after` have been gone through.
    more = events[-1].position if len(found) > limit else after + 1
    return LogPage(head=head, events=events, next=more if more > 1 else None)
