"""A proof that the tables are what the log folds to, row by row and cell by cell.

All of it is read from one snapshot, while writers go on. The rows are not read as what they mean
but as they are stored: see `projector.store.verify.raw_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from random import SystemRandom

from attrs import define, field, frozen
from sqlalchemy import Connection

from projector.envelope import CustomerKey
from projector.projections.projection import Projection
from projector.store import checkpoints, digest, log
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.verify import log_counts
from replay.comparison import Difference
from replay.log_audit import check_checkpoints, check_counts, check_strays
from replay.pieces import PieceResult, VerifyPass, check_streams, check_without_customer

#: How many streams are compared in one go.
STREAMS_MAX = 1_000

#: How many customers, and how many faults of the log, are named.
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
    #: As kept with the rows.
    digest: str
    #: As computed from the log; None when only a sample was.
    recomputed: str | None


@frozen(kw_only=True)
class VerifyReport:
    """What came of it."""

    #: How many customers were compared.
    checked: int
    differing: int
    #: At the most NAMED_MAX of them.
    customers: tuple[DifferingCustomer, ...]
    projections: tuple[ProjectionCheck, ...]
    #: What is wrong with the log itself, a sentence each; at the most NAMED_MAX.
    log: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether the tables are what the log folds to, and the log is as it must be."""
        stale = any(each.recomputed not in (None, each.digest) for each in self.projections)
        return not (self.differing or self.log or stale)


def verify(
    database: Database,
    projections: Sequence[Projection],
    *,
    sample: int | None = None,
    on_piece: Callable[[int, int], None] = lambda _done, _total: None,
) -> VerifyReport:
    """Fold the log up to where each projection is, and compare with the tables.

    `sample` takes so many customers at random, and leaves out what only the whole can tell: the
    digests, rows of customers who are not in the log, the numbering of the log. `on_piece` gets
    how many customers are done, and of how many.
    """
    with database.reading_tables() as connection:
        head = log.head(connection)
        by_projection = checkpoints.read(connection, projections)
        passes = _passes(projections, by_projection)
        tally = _Tally()
        tally.fault(check_checkpoints(by_projection.values(), head))
        if sample is None:
            counts = log_counts.count(connection)
            tally.fault(check_counts(counts))
            tally.fault(check_strays(log_counts.strays(connection, limit=NAMED_MAX)))
            total, pieces = counts.stream_ids.size, _every(connection)
        else:
            total, pieces = _some(connection, sample)
        done = 0
        for piece in pieces:
            tally.add(check_streams(connection, passes, piece, head=head))
            done += len(piece)
            on_piece(done, total)
        if sample is None:
            tally.add(check_without_customer(connection, passes))
    return tally.result(list(by_projection.values()), whole=sample is None)


def _passes(
    projections: Sequence[Projection], by_projection: dict[str, Checkpoint]
) -> list[VerifyPass]:
    """The projections by position: those that stand at the same one are folded together."""
    by_position: dict[int, list[Projection]] = {}
    for projection in projections:
        by_position.setdefault(by_projection[projection.name].position, []).append(projection)
    return [VerifyPass(position, tuple(each)) for position, each in by_position.items()]


def _every(connection: Connection) -> Iterator[list[int]]:
    """The streams that are there, piece by piece, whatever the head says of their numbers."""
    return log_counts.stream_ids(connection, at_once=STREAMS_MAX)


def _some(connection: Connection, sample: int) -> tuple[int, Iterator[list[int]]]:
    """How many streams are chosen, and which, piece by piece."""
    last = max(log_counts.last_stream_id(connection), 0)
    chosen = sorted(SystemRandom().sample(range(1, last + 1), min(sample, last)))
    starts = range(0, len(chosen), STREAMS_MAX)
    return len(chosen), (chosen[start : start + STREAMS_MAX] for start in starts)


@define
class _Tally:
    """What the pieces add up to."""

    checked: int = 0
    differing: int = 0
    customers: list[DifferingCustomer] = field(factory=list)
    digests: dict[str, str] = field(factory=dict)
    log: list[str] = field(factory=list)

    def add(self, found: PieceResult) -> None:
        """Add what was found in a piece."""
        self.checked += found.checked
        self.differing += len(found.differences)
        for customer, differences in found.differences.items():
            self._name(customer, differences)
        for name, change in found.digests.items():
            self.digests[name] = digest.apply(self.digests.get(name, digest.EMPTY), change)
        self.fault(found.faults)

    def fault(self, sentences: Iterable[str]) -> None:
        """Add what is wrong with the log."""
        self.log += islice(sentences, NAMED_MAX - len(self.log))

    def _name(self, customer: CustomerKey, differences: Sequence[Difference]) -> None:
        if len(self.customers) < NAMED_MAX:
            self.customers.append(
                DifferingCustomer(
                    project_id=customer.project_id,
                    customer_id=customer.customer_id,
                    differences=tuple(differences),
                )
            )

    def result(self, by_projection: Sequence[Checkpoint], *, whole: bool) -> VerifyReport:
        """All of it."""
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
            log=tuple(self.log),
        )
