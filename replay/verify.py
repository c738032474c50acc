"""Verifies projections: folds the log, and compares every row and cell with the tables.

Everything is read from one snapshot, which does not block writers. Rows are compared as they are
stored, without type conversion: see `projector.store.verify.raw_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from random import SystemRandom
from typing import NamedTuple

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.errors import LogHeadBehind
from projector.facts.registry import facts
from projector.projections.projection import Projection
from projector.runner.batch import ProjectionChange, fold_streams
from projector.store import checkpoints, dead_letters, digest, log, log_head, table_rows
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.verify import log_counts, raw_rows
from projector.store.verify.log_counts import StreamRow
from replay.comparison import Difference, compare_letters, compare_rows
from replay.log_audit import StreamAudit, check_checkpoints, check_counts, check_strays

#: The number of streams that are folded and compared in one go.
STREAMS_MAX = 1_000

#: The most customers, and the most problems of the log, that a report names.
NAMED_MAX = 1_000


@frozen(kw_only=True)
class DifferingCustomer:
    """A customer whose rows or dead letters differ."""

    project_id: str
    customer_id: str
    differences: tuple[Difference, ...]


@frozen(kw_only=True)
class ProjectionCheck:
    """A projection that was compared."""

    name: str
    position: int
    #: The digest stored with the checkpoint.
    digest: str
    #: The digest computed from the log; None if only a sample was compared.
    recomputed: str | None


@frozen(kw_only=True)
class VerifyReport:
    """The result of a verification."""

    #: The number of customers who were compared.
    checked: int
    #: The number of those with differences.
    differing: int
    #: The first NAMED_MAX of them.
    customers: tuple[DifferingCustomer, ...]
    projections: tuple[ProjectionCheck, ...]
    #: The problems of the log itself, a sentence each; the first NAMED_MAX of them.
    log: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether tables and digests equal the fold of the log, and the log has no problems."""
        stale = any(each.recomputed not in (None, each.digest) for each in self.projections)
        return not (self.differing or self.log or stale)


def verify(
    database: Database,
    projections: Sequence[Projection],
    *,
    sample: int | None = None,
    on_piece: Callable[[int, int], None] = lambda _done, _total: None,
) -> VerifyReport:
    """Fold the log up to each projection's checkpoint, and compare the result with the tables.

    With `sample`, only that number of customers is compared, chosen at random. This leaves out the
    checks that need the whole log: the digests, rows of customers who are not in the log, dead
    letters of events without a customer, the numbering of the log. `on_piece` gets the number of
    customers done and in total.
    """
    with database.reading_tables() as connection:
        # Not the head, which a restore may have left behind: all rows would differ then.
        head = log_head.last(connection).position
        by_projection = checkpoints.read(connection, projections)
        passes = _passes(projections, by_projection)
        tally = _Tally()
        tally.add_problems(check_checkpoints(by_projection.values(), head))
        if sample is None:
            counts = log_counts.count(connection)
            tally.add_problems(check_counts(counts))
            tally.add_problems(check_strays(log_counts.strays(connection, limit=NAMED_MAX)))
            # The streams that exist, whatever the log head says about their numbers.
            pieces = log_counts.stream_ids(connection, at_once=STREAMS_MAX)
            total = counts.stream_ids.size
        else:
            problem = log_head.find_problem(connection)
            tally.add_problems([str(problem)] if isinstance(problem, LogHeadBehind) else [])
            total, pieces = _choose_streams(connection, sample)
        done = 0
        for stream_ids in pieces:
            tally.add(_check_streams(connection, passes, stream_ids, head=head))
            done += len(stream_ids)
            on_piece(done, total)
        if sample is None:
            tally.add(_check_without_customer(connection, passes))
    return tally.to_report(list(by_projection.values()), whole=sample is None)


class _Pass(NamedTuple):
    """The projections with the same checkpoint: the log is read once for all of them."""

    position: int
    projections: tuple[Projection, ...]


def _passes(
    projections: Sequence[Projection], by_projection: Mapping[str, Checkpoint]
) -> list[_Pass]:
    """Group the projections by the positions of their checkpoints."""
    by_position: dict[int, list[Projection]] = {}
    for projection in projections:
        by_position.setdefault(by_projection[projection.name].position, []).append(projection)
    return [_Pass(position, tuple(each)) for position, each in by_position.items()]


def _choose_streams(connection: Connection, sample: int) -> tuple[int, Iterator[list[int]]]:
    """Choose streams at random; return their number, and their ids piece by piece."""
    last = max(log_counts.last_stream_id(connection), 0)
    chosen = sorted(SystemRandom().sample(range(1, last + 1), min(sample, last)))
    starts = range(0, len(chosen), STREAMS_MAX)
    return len(chosen), (chosen[start : start + STREAMS_MAX] for start in starts)


@define
class _PieceResult:
    """The differences found in some streams."""

    #: The number of customers who were compared.
    checked: int = 0
    differences: dict[CustomerKey, list[Difference]] = field(factory=dict)
    #: By projection: the amount by which the expected rows change its digest.
    digests: dict[str, int] = field(factory=dict)
    #: The problems of the log, a sentence each.
    problems: list[str] = field(factory=list)

    def add_difference(self, customer: CustomerKey, difference: Difference) -> None:
        self.differences.setdefault(customer, []).append(difference)


def _check_streams(
    connection: Connection, passes: Sequence[_Pass], stream_ids: Sequence[int], *, head: int
) -> _PieceResult:
    """Compare the customers of some streams, and check the streams themselves."""
    streams = log_counts.streams(connection, stream_ids)
    audit = StreamAudit(streams)
    result = _PieceResult(checked=len(streams))
    for number, (position, projections) in enumerate(passes):
        events = log.read_streams(connection, stream_ids, until=head)
        # The audit needs all events, once; a projection folds those up to its checkpoint.
        audited = events if number else audit.watch(events)
        until_checkpoint = (event for event in audited if event.position <= position)
        changes = fold_streams(projections, until_checkpoint)
        for projection, change in zip(projections, changes, strict=True):
            _compare_rows(connection, projection, change, stream_ids, result)
            _compare_dead_letters(connection, projection, change, streams, result)
    result.problems += audit.problems
    return result


def _check_without_customer(connection: Connection, passes: Sequence[_Pass]) -> _PieceResult:
    """Compare what is in no stream: dead letters without a customer, rows of unknown customers."""
    result = _PieceResult()
    for position, projections in passes:
        events = log.read_without_customer(connection, facts(), until=position)
        for projection, change in zip(projections, fold_streams(projections, events), strict=True):
            expected = [letter.position for letter in change.dead_letters]
            found = dead_letters.without_customer(connection, projection.name)
            for at, difference in compare_letters(projection, expected, found):
                state = "is missing" if difference.expected else "should not exist"
                result.problems.append(
                    f"The dead letter of projection {projection.name} at position {at}, "
                    f"an event without a customer, {state}."
                )
            for row in raw_rows.read_without_stream(connection, projection):
                for customer, difference in compare_rows(projection, [], [row]):
                    result.add_difference(customer, difference)
    return result


def _compare_rows(
    connection: Connection,
    projection: Projection,
    change: ProjectionChange,
    stream_ids: Sequence[int],
    result: _PieceResult,
) -> None:
    values = table_rows.as_values(projection, change.new)
    result.digests[projection.name] = digest.of(values)
    # Rows rarely differ: compare all of them at once, and look for differences only if they do.
    if raw_rows.matches(connection, projection, stream_ids, values):
        return
    expected = raw_rows.to_stored(projection, values)
    found = raw_rows.read_streams(connection, projection, stream_ids)
    for customer, difference in compare_rows(projection, expected, found):
        result.add_difference(customer, difference)


def _compare_dead_letters(
    connection: Connection,
    projection: Projection,
    change: ProjectionChange,
    streams: Mapping[int, StreamRow],
    result: _PieceResult,
) -> None:
    found = dead_letters.find_in_streams(connection, projection.name, list(streams))
    by_position = {letter.position: letter for letter in (*found, *change.dead_letters)}
    differences = compare_letters(
        projection,
        [letter.position for letter in change.dead_letters],
        [letter.position for letter in found],
    )
    for position, difference in differences:
        stream = streams.get(by_position[position].stream_id or 0)
        if stream is not None:
            result.add_difference(stream.customer, difference)


@define
class _Tally:
    """The sum of the results of all pieces."""

    checked: int = 0
    differing: int = 0
    customers: list[DifferingCustomer] = field(factory=list)
    digests: dict[str, str] = field(factory=dict)
    problems: list[str] = field(factory=list)

    def add(self, result: _PieceResult) -> None:
        self.checked += result.checked
        self.differing += len(result.differences)
        nameable = islice(result.differences.items(), NAMED_MAX - len(self.customers))
        self.customers += (
            DifferingCustomer(
                project_id=customer.project_id,
                customer_id=customer.customer_id,
                differences=tuple(differences),
            )
            for customer, differences in nameable
        )
        for name, change in result.digests.items():
            self.digests[name] = digest.apply(self.digests.get(name, digest.EMPTY), change)
        self.add_problems(result.problems)

    def add_problems(self, sentences: Iterable[str]) -> None:
        """Add problems of the log, up to NAMED_MAX in total."""
        self.problems += islice(sentences, NAMED_MAX - len(self.problems))

    def to_report(self, by_projection: Sequence[Checkpoint], *, whole: bool) -> VerifyReport:
        return VerifyReport(
            checked=self.checked,
            differing=self.differing,
            customers=tuple(self.customers),
            projections=tuple(
                ProjectionCheck(
                    name=checkpoint.projection,
                    position=checkpoint.position,
                    digest=checkpoint.digest,
                    recomputed=self.digests.get(checkpoint.projection, digest.EMPTY)
                    if whole
                    else None,
                )
                for checkpoint in by_projection
            ),
            log=tuple(self.problems),
        )
