"""One piece of a verification: some streams folded, and compared with their customers' rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from attrs import define, field
from sqlalchemy import Connection

from projector.envelope import CustomerKey, RecordedEvent
from projector.facts.registry import facts
from projector.projections.projection import Projection
from projector.runner.batch import ProjectionChange, fold_streams
from projector.store import dead_letters, digest, log, table_rows
from projector.store.verify import log_counts, raw_rows
from projector.store.verify.log_counts import StreamRow
from replay.comparison import Difference, compare_letters, compare_rows
from replay.log_audit import StreamAudit


class VerifyPass(NamedTuple):
    """Projections that stand at the same position: the log is read once for all of them."""

    position: int
    projections: tuple[Projection, ...]


@define
class PieceResult:
    """What was found in a piece."""

    #: How many customers were compared.
    checked: int = 0
    differences: dict[CustomerKey, list[Difference]] = field(factory=dict)
    #: What the rows as they should be add to the digest, by projection.
    digests: dict[str, int] = field(factory=dict)
    #: What is wrong with the log, a sentence each.
    faults: list[str] = field(factory=list)

    def differ(self, customer: CustomerKey, difference: Difference) -> None:
        """Note a difference."""
        self.differences.setdefault(customer, []).append(difference)


def check_streams(
    connection: Connection, passes: Sequence[VerifyPass], stream_ids: Sequence[int], *, head: int
) -> PieceResult:
    """Compare the customers of some streams, and look at the streams themselves."""
    streams = log_counts.streams(connection, stream_ids)
    audit = StreamAudit(streams)
    found = PieceResult(checked=len(streams))
    for number, (position, projections) in enumerate(passes):
        events = log.read_streams(connection, stream_ids, until=head)
        watched = events if number else audit.watch(events)
        changes = fold_streams(projections, _until(watched, position))
        for projection, change in zip(projections, changes, strict=True):
            _compare_rows(connection, projection, change, stream_ids, found)
            _compare_letters(connection, projection, change, streams, found)
    found.faults += audit.problems
    return found


def check_without_customer(connection: Connection, passes: Sequence[VerifyPass]) -> PieceResult:
    """Compare what belongs to no stream: dead letters that name no customer, rows of strangers."""
    found = PieceResult()
    for position, projections in passes:
        events = log.read_without_customer(connection, facts(), until=position)
        for projection, change in zip(projections, fold_streams(projections, events), strict=True):
            are_there = dead_letters.without_customer(connection, projection.name)
            should_be = [letter.position for letter in change.dead_letters]
            for at, _ in compare_letters(projection, should_be, are_there):
                found.faults.append(
                    f"{projection.name} is wrong about position {at}, which names no customer, "
                    "as a dead letter."
                )
            for row in raw_rows.read_without_stream(connection, projection):
                for customer, difference in compare_rows(projection, [], [row]):
                    found.differ(customer, difference)
    return found


def _until(events: Iterable[RecordedEvent], position: int) -> Iterator[RecordedEvent]:
    """All are read, for the audit; a projection that is behind folds those that it has seen."""
    return (event for event in events if event.position <= position)


def _compare_rows(
    connection: Connection,
    projection: Projection,
    change: ProjectionChange,
    stream_ids: Sequence[int],
    found: PieceResult,
) -> None:
    values = table_rows.as_values(projection, change.new)
    found.digests[projection.name] = digest.of(values)
    if raw_rows.matches(connection, projection, stream_ids, values):
        return
    should_be = raw_rows.to_stored(projection, values)
    are_there = raw_rows.read_streams(connection, projection, stream_ids)
    for customer, difference in compare_rows(projection, should_be, are_there):
        found.differ(customer, difference)


def _compare_letters(
    connection: Connection,
    projection: Projection,
    change: ProjectionChange,
    streams: Mapping[int, StreamRow],
    found: PieceResult,
) -> None:
    are_there = dead_letters.find_in_streams(connection, projection.name, list(streams))
    letters = {letter.position: letter for letter in (*are_there, *change.dead_letters)}
    differences = compare_letters(
        projection,
        [letter.position for letter in change.dead_letters],
        [letter.position for letter in are_there],
    )
    for position, difference in differences:
        stream = streams.get(letters[position].stream_id or 0)
        if stream is not None:
            found.differ(stream.customer, difference)
