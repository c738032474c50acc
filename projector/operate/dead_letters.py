"""Dead letters as a person works with them: list, look at one, retry after a fix."""

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

#: How many customers, or events of nobody, are folded anew in one transaction.
RETRY_STREAMS_MAX = 100


@frozen(kw_only=True)
class ProjectionFailure:
    """A projection that could not take an event, and why."""

    projection: str
    reason: str


@frozen(kw_only=True)
class DeadLetterSummary:
    """An event that projections could not take."""

    position: int
    project_id: str
    customer_id: str | None
    event_id: str
    type: str
    occurred_at: datetime
    failures: tuple[ProjectionFailure, ...]


@frozen(kw_only=True)
class ReasonCount:
    """How many events a projection refused for one reason."""

    projection: str
    reason: str
    count: int


@frozen(kw_only=True)
class DeadLetterPage:
    """Some dead letters, by projection and position, one entry each."""

    dead_letters: tuple[DeadLetterSummary, ...]
    #: How many there are in all, by projection and reason: the most frequent ones.
    counts: tuple[ReasonCount, ...]
    #: What to give as `after` for the next page; None at the end.
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
    """What a retry did; tried = resolved + waiting."""

    tried: int
    resolved: int
    waiting: int


def list_dead_letters(
    database: Database, *, projection: str | None = None, after: str | None = None, limit: int
) -> DeadLetterPage:
    """A page of dead letters, and how many there are.

    Raises BadCursor, BadNumber or ProjectionUnknown.
    """
    paging.check_limit(limit)
    if projection is not None:
        named([projection])
    place = paging.from_cursor(after, tuple[str, paging.Number])
    with database.reading() as connection:
        found = dead_letters.page(connection, projection=projection, after=place, limit=limit + 1)
        shown = found[:limit]
        events = _events(connection, shown)
        counts = dead_letters.count_by_reason(connection, projection=projection)
    return DeadLetterPage(
        dead_letters=tuple(
            _summary(DeadLetterSummary, events[each.position], [each]) for each in shown
        ),
        counts=tuple(
            ReasonCount(projection=name, reason=reason, count=number)
            for name, reason, number in counts
        ),
        next=paging.to_cursor((shown[-1].projection, shown[-1].position))
        if len(found) > limit
        else None,
    )


def show_dead_letter(database: Database, position: int) -> DeadLetterDetail:
    """The dead letter at a position with its body; raises DeadLetterNotFound."""
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
    """Fold the customers of dead letters anew: of those at positions, or of all of them.

    What can be folded now is in the rows afterwards, and no dead letter any more. Raises
    DeadLetterNotFound, with nothing done, for a position without one.
    """
    if positions is not None:
        with database.reading() as connection:
            known = {each.position for each in dead_letters.find_at(connection, positions)}
        for position in positions:
            if position not in known:
                raise DeadLetterNotFound(position=position)
    tried = resolved = 0
    for projection in projections:
        for letters in _waiting(database, projection.name, positions):
            left = _refold(database, projection, letters)
            tried += len(letters)
            resolved += len(letters) - left
            on_piece(tried)
    return DeadLetterRetryReport(tried=tried, resolved=resolved, waiting=tried - resolved)


def _waiting(
    database: Database, projection: str, positions: Sequence[int] | None
) -> Iterator[list[DeadLetter]]:
    """The letters to retry, piece by piece."""
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
        nobodys = dead_letters.without_customer(connection, projection)
    for begin in range(0, len(nobodys), RETRY_STREAMS_MAX):
        piece = nobodys[begin : begin + RETRY_STREAMS_MAX]
        yield [DeadLetter(projection, position, None, "") for position in piece]


def _refold(database: Database, projection: Projection, letters: Sequence[DeadLetter]) -> int:
    """Fold what letters are about; returns how many of them are still there."""
    stream_ids = {each.stream_id for each in letters if each.stream_id is not None}
    if stream_ids:
        refold.refold(database, [projection], sorted(stream_ids))
    nobodys = [each.position for each in letters if each.stream_id is None]
    if nobodys:
        _refold_without_customer(database, projection, nobodys)
    with database.reading() as connection:
        left = dead_letters.find_at(connection, [each.position for each in letters])
    return sum(each.projection == projection.name for each in left)


def _refold_without_customer(
    database: Database, projection: Projection, nobodys: Sequence[int]
) -> None:
    """Read events of nobody: they are in no rows, and dead letters only if they must be."""
    with database.writing() as connection:
        # Of two retries at once one waits here, and then finds what the other one wrote.
        checkpoint = checkpoints.read(connection, [projection], lock=True)[projection.name]
        # A rebuild may have gone back: what lies beyond is folded when the projection gets there.
        nobodys = [position for position in nobodys if position <= checkpoint.position]
        [change] = fold_streams([projection], log.read_at(connection, nobodys))
        dead_letters.remove(connection, projection.name, nobodys)
        dead_letters.replace(connection, projection.name, change.dead_letters, refolded=())


def _events(connection: Connection, letters: Sequence[DeadLetter]) -> dict[int, RecordedEvent]:
    found = log.read_at(connection, [each.position for each in letters])
    return {event.position: event for event in found}


def _summary(
    kind: type[AnySummary], event: RecordedEvent, letters: Sequence[DeadLetter], **more: object
) -> AnySummary:
    return kind(
        position=event.position,
        project_id=event.project_id,
        customer_id=event.customer_id,
        event_id=event.event_id,
        type=event.type,
        occurred_at=event.occurred_at,
        failures=tuple(
            ProjectionFailure(projection=each.projection, reason=each.reason) for each in letters
        ),
        **more,
    )
