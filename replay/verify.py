"""Verifies projections: folds the log, and compares every row and cell with the tables.

Everything is read from one snapshot, which does not block writers. Rows are compared as they are
stored, without type conversion: see `projector.store.verify.raw_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import SystemRandom
from typing import NamedTuple

from sqlalchemy import Connection

from projector.errors import LogHeadBehind
from projector.facts.registry import facts
from projector.projections.projection import Projection
from projector.runner.batch import fold_streams
from projector.runner.projection_fold import ProjectionChange
from projector.store import (
    checkpoints,
    dead_letters,
    digest,
    group_sizes,
    log,
    log_head,
    table_rows,
)
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.verify import log_counts, raw_rows
from projector.store.verify.log_counts import StreamRow
from replay.comparison import compare_letters, compare_rows
from replay.log_audit import (
    StreamAudit,
    check_checkpoints,
    check_counts,
    check_erasures,
    check_strays,
)
from replay.verify_report import NAMED_MAX, PieceResult, Tally, VerifyReport

#: The number of streams that are folded and compared in one go.
STREAMS_MAX = 1_000


def verify(
    database: Database,
    projections: Sequence[Projection],
    *,
    sample: int | None = None,
    on_piece: Callable[[int, int], None] = lambda _done, _total: None,
) -> VerifyReport:
    """Fold the log up to each projection's checkpoint, and compare the result with the tables.

    With `sample`, only that number of customers is compared, chosen at random. This leaves out the
    checks that need the whole log: the digests, the sizes of groups, rows of customers who are not
    in the log, dead letters of events without a customer, the numbering of the log. `on_piece` gets
    the number of customers done and in total.
    """
    with database.reading_tables() as connection:
        # Not the head, which a restore may have left behind: all rows would differ then.
        head = log_head.last(connection).position
        by_projection = checkpoints.read(connection, projections)
        passes = _passes(projections, by_projection)
        tally = Tally()
        tally.add_problems(check_checkpoints(by_projection.values(), head))
        if sample is None:
            counts = log_counts.count(connection)
            tally.add_problems(check_counts(counts))
            tally.add_problems(check_strays(log_counts.strays(connection, limit=NAMED_MAX)))
            tally.add_problems(check_erasures(connection))
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
            for projection in projections:
                stored = group_sizes.read(connection, projection.name)
                tally.add_sizes(projection.name, stored)
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


def _check_streams(
    connection: Connection, passes: Sequence[_Pass], stream_ids: Sequence[int], *, head: int
) -> PieceResult:
    """Compare the customers of some streams, and check the streams themselves."""
    streams = log_counts.streams(connection, stream_ids)
    audit = StreamAudit(streams)
    result = PieceResult(checked=sum(not each.is_erased for each in streams.values()))
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


def _check_without_customer(connection: Connection, passes: Sequence[_Pass]) -> PieceResult:
    """Compare what is in no stream: dead letters without a customer, rows of unknown customers."""
    result = PieceResult()
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
    result: PieceResult,
) -> None:
    values = table_rows.as_values(projection, change.new)
    result.digests[projection.name] = digest.of(values)
    result.sizes[projection.name] = group_sizes.changes(projection, new=values)
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
    result: PieceResult,
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
