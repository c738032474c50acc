"""Dead letters for operators: list them, show one, retry them after a fix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from attrs import frozen
from sqlalchemy import Connection

from projector.envelope import RecordedEvent
from projector.errors import DeadLetterNotFound
from projector.projections import named
from projector.projections.projection import Projection
from projector.runner import refold
from projector.runner.batch import fold_streams
from projector.store import checkpoints, dead_letters, log
from projector.store.database import Database
from projector.store.dead_letters import DeadLetter
from projector.text import paging

#: The maximum number of customers, or of events without a customer, that one transaction refolds.
RETRY_STREAMS_MAX = 100


@frozen(kw_only=True)
class ProjectionFailure:
    """A projection that could not fold an event, and the reason."""

    projection: str
    reason: str


@frozen(kw_only=True)
class DeadLetterSummary:
    """A dead letter: an event that one or more projections could not fold."""

    position: int
    project_id: str
    customer_id: str | None
    event_id: str
    type: str
    occurred_at: datetime
    failures: tuple[ProjectionFailure, ...]


@frozen(kw_only=True)
class ReasonCount:
    """The number of events that a projection could not fold for one reason."""

    projection: str
    reason: str
    count: int


@frozen(kw_only=True)
class DeadLetterPage:
    """A page of dead letters, by projection and position, with one entry per pair of them."""

    dead_letters: tuple[DeadLetterSummary, ...]
    #: The total numbers by projection and reason, of the most frequent reasons only.
    counts: tuple[ReasonCount, ...]
    #: The cursor to give as `after` for the next page; None on the last page.
    next: str | None


@frozen(kw_only=True)
class DeadLetterDetail(DeadLetterSummary):
    """A dead letter with its body."""

    received_at: datetime
    source: str
    body: str


AnySummary = TypeVar("AnySummary", bound=DeadLetterSummary)


@frozen(kw_only=True)
class DeadLetterRetryReport:
    """The result of a retry; tried = resolved + waiting."""

    tried: int
    resolved: int
    waiting: int


def list_dead_letters(
    database: Database, *, projection: str | None = None, after: str | None = None, limit: int
) -> DeadLetterPage:
    """Return a page of dead letters, with the total numbers by reason.

    Raises BadCursor, BadNumber or ProjectionUnknown.
    """
    paging.check_limit(limit)
    if projection is not None:
        named([projection])
    after_key = paging.from_cursor(after, tuple[str, paging.Number])
    with database.reading() as connection:
        found = dead_letters.page(
            connection, projection=projection, after=after_key, limit=limit + 1
        )
        entries = found[:limit]
        events = _events(connection, entries)
        counts = dead_letters.count_by_reason(connection, projection=projection)
    return DeadLetterPage(
        dead_letters=tuple(
            _summary(DeadLetterSummary, events[each.position], [each]) for each in entries
        ),
        counts=tuple(
            ReasonCount(projection=name, reason=reason, count=number)
            for name, reason, number in counts
        ),
        next=paging.to_cursor((entries[-1].projection, entries[-1].position))
        if len(found) > limit
        else None,
    )


def show_dead_letter(database: Database, position: int) -> DeadLetterDetail:
    """Return the dead letter at a position, with its body; raises DeadLetterNotFound."""
    with database.reading() as connection:
        found = dead_letters.find_at(connection, [position])
        if not found:
            raise DeadLetterNotFound(position=position)
        [event] = log.read_at(connection, [position])
    return _summary(
        DeadLetterDetail,
        event,
        found,
        received_at=event.received_at,
        source=event.source,
        body=event.body,
    )


def retry_dead_letters(
    database: Database,
    projections: Sequence[Projection],
    positions: Sequence[int] | None = None,
    *,
    on_piece: Callable[[int], None] = lambda _tried: None,
) -> DeadLetterRetryReport:
    """Fold the customers of dead letters again: of those at `positions`, or of all dead letters.

    Events that can be folded now are in the rows afterwards, and are dead letters no longer.
    Raises DeadLetterNotFound, with nothing done, for a position without a dead letter.
    """
    if positions is not None:
        with database.reading() as connection:
            known = {each.position for each in dead_letters.find_at(connection, positions)}
        for position in positions:
            if position not in known:
                raise DeadLetterNotFound(position=position)
    tried = resolved = 0
    for projection in projections:
        for batch in _waiting(database, projection.name, positions):
            remaining = _refold(database, projection, batch)
            tried += len(batch)
            resolved += len(batch) - remaining
            on_piece(tried)
    return DeadLetterRetryReport(tried=tried, resolved=resolved, waiting=tried - resolved)


def _waiting(
    database: Database, projection: str, positions: Sequence[int] | None
) -> Iterator[list[DeadLetter]]:
    """Yield the dead letters to retry, in batches."""
    if positions is not None:
        with database.reading() as connection:
            found = dead_letters.find_at(connection, positions)
        yield [each for each in found if each.projection == projection]
        return
    last: int | None = 0
    while last is not None:
        with database.reading() as connection:
            found = dead_letters.page_by_stream(
                connection, projection, after=last, limit=RETRY_STREAMS_MAX
            )
        if found:
            yield found
        last = found[-1].stream_id if found else None
    with database.reading() as connection:
        without_customer = dead_letters.without_customer(connection, projection)
    for begin in range(0, len(without_customer), RETRY_STREAMS_MAX):
        batch = without_customer[begin : begin + RETRY_STREAMS_MAX]
        yield [DeadLetter(projection, position, None, "") for position in batch]


def _refold(database: Database, projection: Projection, batch: Sequence[DeadLetter]) -> int:
    """Fold the streams of dead letters again; return how many are still dead letters."""
    stream_ids = {each.stream_id for each in batch if each.stream_id is not None}
    if stream_ids:
        refold.refold(database, [projection], sorted(stream_ids))
    without_customer = [each.position for each in batch if each.stream_id is None]
    if without_customer:
        _refold_without_customer(database, projection, without_customer)
    with database.reading() as connection:
        remaining = dead_letters.find_at(connection, [each.position for each in batch])
    return sum(each.projection == projection.name for each in remaining)


def _refold_without_customer(
    database: Database, projection: Projection, positions: Sequence[int]
) -> None:
    """Decode events without a customer again: they have no rows, only dead letters if they fail."""
    with database.writing() as connection:
        # Serializes concurrent retries: the second one waits here, and sees the first one's writes.
        checkpoint = checkpoints.read(connection, [projection], lock=True)[projection.name]
        # A rebuild may have moved the checkpoint back: the projection folds events beyond it later.
        positions = [position for position in positions if position <= checkpoint.position]
        [change] = fold_streams([projection], log.read_at(connection, positions))
        dead_letters.remove(connection, projection.name, positions)
        dead_letters.replace(connection, projection.name, change.dead_letters, refolded=())


def _events(connection: Connection, entries: Sequence[DeadLetter]) -> dict[int, RecordedEvent]:
    found = log.read_at(connection, [each.position for each in entries])
    return {event.position: event for event in found}


def _summary(
    kind: type[AnySummary], event: RecordedEvent, entries: Sequence[DeadLetter], **more: object
) -> AnySummary:
    return kind(
        position=event.position,
        project_id=event.project_id,
        customer_id=event.customer_id,
        event_id=event.event_id,
        type=event.type,
        occurred_at=event.occurred_at,
        failures=tuple(
            ProjectionFailure(projection=each.projection, reason=each.reason) for each in entries
        ),
        **more,
    )
