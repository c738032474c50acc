"""Lists what was put aside, the newest first: quarantined deliveries, and dead letters by event."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.errors import BadIdentifier
from projector.projections.rebuilding import SHADOW
from projector.store import dead_letters, log_pages, quarantine
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.store.log_pages import LogEntry
from projector.store.predicates import is_storable_text
from projector.store.quarantine import QuarantineEntry

#: The part of each body that is read, in bytes or characters.
BEGINNING = 2_000


@frozen(kw_only=True)
class WaitingDelivery:
    """A delivery that waits in the quarantine, with the beginning of its body."""

    entry: QuarantineEntry
    beginning: bytes


@frozen(kw_only=True)
class WaitingPage:
    """A page of them."""

    deliveries: tuple[WaitingDelivery, ...]
    #: The number of all that wait, by reason.
    counts: dict[str, int]
    #: The id to give as `after` for the next page; None on the last page.
    next: int | None


@frozen(kw_only=True)
class FailedEvent:
    """An event that one or more projections could not fold, with the beginning of its body."""

    event: LogEntry
    #: The projections and their reasons.
    failures: tuple[DeadLetter, ...]
    beginning: str


@frozen(kw_only=True)
class FailedPage:
    """A page of them."""

    events: tuple[FailedEvent, ...]
    #: The number of dead letters, by projection.
    counts: dict[str, int]
    #: The position to give as `after` for the next page; None on the last page.
    next: int | None


def newest_deliveries(
    database: Database, *, reason: str | None, after: int | None, limit: int
) -> WaitingPage:
    """Return the last deliveries that wait, of one reason or of any; raises BadIdentifier."""
    if not is_storable_text(reason):
        raise BadIdentifier(name="the reason", text=reason, reason="cannot be stored")
    with database.reading() as connection:
        found = quarantine.newest(connection, reason=reason, before=after, limit=limit + 1)
        ids = [each.quarantine_id for each in found[:limit]]
        beginnings = quarantine.beginnings(connection, ids, size=BEGINNING)
        counts = quarantine.counts(connection)
    return WaitingPage(
        deliveries=tuple(
            WaitingDelivery(entry=each, beginning=beginnings[each.quarantine_id])
            for each in found[:limit]
        ),
        counts=counts,
        next=ids[-1] if len(found) > limit else None,
    )


def newest_failures(
    database: Database, *, projection: str | None, after: int | None, limit: int
) -> FailedPage:
    """Return the last events with dead letters, of one projection or of any."""
    with database.reading() as connection:
        counts = dead_letters.count_by_projection(connection)
        # The dead letters of a shadow belong to a rebuild that runs.
        counts = {name: each for name, each in sorted(counts.items()) if not name.endswith(SHADOW)}
        names = counts if projection is None else [each for each in counts if each == projection]
        letters = [
            letter
            for name in names
            for letter in dead_letters.newest(connection, name, before=after, limit=limit + 1)
        ]
        positions = sorted({each.position for each in letters}, reverse=True)
        shown = positions[:limit]
        events = log_pages.read_at(connection, shown)
        beginnings = log_pages.beginnings(connection, shown, size=BEGINNING)
    return FailedPage(
        events=tuple(
            FailedEvent(
                event=events[position],
                failures=_failures(letters, position),
                beginning=beginnings[position],
            )
            for position in shown
        ),
        counts=counts,
        next=shown[-1] if len(positions) > limit else None,
    )


def _failures(letters: Sequence[DeadLetter], position: int) -> tuple[DeadLetter, ...]:
    return tuple(each for each in letters if each.position == position)
