"""Compares the head of the log with the log, and repairs a head that a restore left behind.

`pg_restore --data-only`, or a dump that is loaded, fills the tables of a migrated database but for
`log_head`, whose row exists already. Every reader would then take the log for shorter than it is.
"""

from __future__ import annotations

from typing import NamedTuple

from attrs import frozen
from sqlalchemy import Connection, func, insert, select, tuple_, update

from projector.errors import LogHeadAhead, LogHeadBehind, LogUnsound, ProjectorError
from projector.store import dialects
from projector.store.database import Database
from projector.store.erasure.records import LAST_ERASURE
from projector.store.tables import event, log_head, stream
from projector.store.verify import log_counts
from projector.store.verify.log_counts import Span

#: The number of events or streams that an error names.
NAMED_MAX = 5


class Numbers(NamedTuple):
    """The last position and the last stream id; 0 for none."""

    position: int
    stream_id: int


@frozen(kw_only=True)
class HeadRepair:
    """The result of `repair`: the head before and after; None before if its row was missing."""

    before: Numbers | None
    after: Numbers

    def as_dict(self) -> dict[str, dict[str, int] | None]:
        """Return the numbers by their names."""
        before = None if self.before is None else self.before._asdict()
        return {"before": before, "after": self.after._asdict()}


_LAST = (
    select(func.max(event.c.position)).scalar_subquery(),
    select(func.max(stream.c.stream_id)).scalar_subquery(),
)
_HEAD = select(log_head.c.position, log_head.c.stream_id)
_HEAD_AND_ERASURE = select(log_head.c.position, log_head.c.stream_id, LAST_ERASURE)
_LOCKED = select(log_head.c.position, log_head.c.stream_id, *_LAST).with_for_update(of=log_head)


def read(connection: Connection) -> Numbers:
    """Return the head of the log; raises LogHeadBehind if its row is missing."""
    row = connection.execute(_HEAD).one_or_none()
    if row is None:
        end = last(connection).position
        raise LogHeadBehind(url=_url(connection), name="position", head="none", last=end)
    return Numbers(*row)


def read_with_erasure(connection: Connection) -> tuple[Numbers, int]:
    """Return the head of the log and the last erasure, 0 for none, in one statement.

    Raises LogHeadBehind if the row of the head is missing.
    """
    row = connection.execute(_HEAD_AND_ERASURE).one_or_none()
    return (read(connection), 0) if row is None else (Numbers(*row[:2]), row[2])


def lock(connection: Connection) -> Numbers:
    """Return the head of the log, and hold its row until the commit; raises LogHeadBehind.

    On Postgres the last numbers are those of before the wait for the lock: they may be less than
    the head, but never more.
    """
    row = connection.execute(_LOCKED).one_or_none()
    if row is None:
        return read(connection)
    head = Numbers(*row[:2])
    if problem := _behind(connection, head, Numbers(row[2] or 0, row[3] or 0)):
        raise problem
    return head


def advance(connection: Connection, position: int, stream_id: int) -> None:
    """Set the head of the log, whose row is locked."""
    connection.execute(update(log_head).values(position=position, stream_id=stream_id))


def check(connection: Connection) -> None:
    """Raise LogHeadBehind or LogHeadAhead unless the head is that of the log; two index look-ups.

    The transaction must have one snapshot, as reading ones have.
    """
    if problem := find_problem(connection):
        raise problem


def find_problem(connection: Connection) -> ProjectorError | None:
    """Return the error that `check` raises, or None."""
    row = connection.execute(_HEAD).one_or_none()
    head, end = Numbers(*row) if row else Numbers(-1, -1), last(connection)
    if problem := _behind(connection, head, end):
        return problem
    for name, at, until in zip(Numbers._fields, head, end, strict=True):
        if at > until:
            return LogHeadAhead(url=_url(connection), name=name, head=at, last=until)
    return None


def repair(database: Database) -> HeadRepair:
    """Set a head that is behind to the end of the log, after checking that the log is sound.

    Changes nothing if the head is right. Raises LogUnsound, with nothing changed, if the log has
    holes or disagrees with its streams, or if the head is ahead of it.
    """
    with database.writing() as connection:
        # Keep writers out even if there is no row of the head to lock.
        if not database.is_sqlite:
            connection.exec_driver_sql("LOCK TABLE log_head, event, stream IN EXCLUSIVE MODE")
        row = connection.execute(_HEAD).one_or_none()
        before, end = (None if row is None else Numbers(*row)), last(connection)
        if before == end:
            return HeadRepair(before=before, after=end)
        problems = _problems(connection, before or Numbers(0, 0), end)
        if problems:
            raise LogUnsound(url=database, problems=" ".join(problems))
        if before is None:
            connection.execute(insert(log_head).values(log_head_id=1, position=0, stream_id=0))
        advance(connection, *end)
        return HeadRepair(before=before, after=end)


def last(connection: Connection) -> Numbers:
    """Return the numbers that the head should have."""
    position, stream_id = connection.execute(select(*_LAST)).one()
    return Numbers(position or 0, stream_id or 0)


def _behind(connection: Connection, head: Numbers, end: Numbers) -> LogHeadBehind | None:
    for name, at, until in zip(Numbers._fields, head, end, strict=True):
        if at < until:
            return LogHeadBehind(url=_url(connection), name=name, head=at, last=until)
    return None


def _url(connection: Connection) -> str:
    return dialects.redact(connection.engine.url)


def _problems(connection: Connection, head: Numbers, end: Numbers) -> list[str]:
    """Return a sentence for each reason not to move the head to the end of the log."""
    problems = []
    for name, at, until, column in (
        ("Positions", head.position, end.position, event.c.position),
        ("Stream ids", head.stream_id, end.stream_id, stream.c.stream_id),
    ):
        found = log_counts.span(connection, column)
        if at > until:
            problems.append(f"{name} end at {until}, but the head is at {at}.")
        if found != Span(until, min(until, 1), until):
            problems.append(
                f"{name} should go from 1 to {until} without a hole, but there are {found.size}, "
                f"from {found.first} on."
            )
    strays = [each.position for each in log_counts.strays(connection, limit=NAMED_MAX)]
    if strays:
        problems.append(f"The streams of the events at {_list(strays)} are missing.")
    if wrong := _wrong_streams(connection):
        problems.append(f"The greatest keys of the streams {_list(wrong)} are not their events'.")
    return problems


def _wrong_streams(connection: Connection) -> list[int]:
    """Return the first NAMED_MAX streams whose greatest canonical key is not that of an event.

    The streams of erased customers have no events.
    """
    key = tuple_(event.c.occurred_at, event.c.event_id)
    greatest = tuple_(stream.c.last_occurred_at, stream.c.last_event_id)
    in_stream = select(event.c.position).where(
        event.c.stream_id == stream.c.stream_id, event.c.project_id == stream.c.project_id
    )
    has_last, has_greater = in_stream.where(key == greatest), in_stream.where(key > greatest)
    wrong = select(stream.c.stream_id).where(
        ~log_counts.is_erased(), ~has_last.exists() | has_greater.exists()
    )
    return list(connection.execute(wrong.order_by(stream.c.stream_id).limit(NAMED_MAX)).scalars())


def _list(numbers: list[int]) -> str:
    more = " and maybe others" if len(numbers) == NAMED_MAX else ""
    return ", ".join(map(str, numbers)) + more
