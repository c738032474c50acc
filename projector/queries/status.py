"""The status of the projector: the log's head, the projections' lag, and the quarantine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import frozen

from projector.errors import ProjectorError
from projector.projections import broken, discover
from projector.projections.projection import Projection
from projector.queries.customers import NOW
from projector.runner import isolation
from projector.store import checkpoints, dead_letters, digest, log, members, quarantine
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.erasure import counts
from projector.store.erasure.counts import ErasureCounts


@frozen(kw_only=True)
class ProjectionStatus:
    """The checkpoint and health of one projection."""

    name: str
    #: The checkpoint: the position up to which its rows reflect the log.
    position: int
    #: The number of events of the log beyond that position.
    lag: int
    #: The number of events that it could not fold.
    dead_letters: int
    #: The digest of all its rows: equal rows have equal digests, on any database.
    digest: str
    #: Whether the package that has the projection is installed.
    installed: bool
    #: Why it does not run, as a sentence; null while it does.
    error: str | None


@frozen(kw_only=True)
class Status:
    """The status of the log, the projections, the quarantine and erasures, in one snapshot."""

    #: The position of the last event.
    head: int
    projections: tuple[ProjectionStatus, ...]
    #: The number of deliveries in the quarantine, by reason.
    quarantine: dict[str, int]
    #: The number of tiers whose last day is over, and of which nothing was heard since.
    overdue: int
    erased: ErasureCounts


def read_status(database: Database, projections: Sequence[Projection]) -> Status:
    """Read the status of the log, of projections and of the quarantine, from one snapshot.

    Projections that cannot be loaded, or are no longer installed, come last.
    """
    with database.reading_tables() as connection:
        head = log.head(connection)
        skipped = dead_letters.count_by_projection(connection)
        found = checkpoints.read(connection, projections)
        problems = {
            each.name: isolation.problem(each, found[each.name], head) for each in projections
        }
        gone = [each for each in checkpoints.names(connection) if each not in _loaded()]
        absent = {name: checkpoints.read_one(connection, name) for name in (*_unloaded(), *gone)}
        return Status(
            head=head,
            projections=(
                *(_row(each, head, skipped, problems[name]) for name, each in found.items()),
                *(_absent_row(each, name, head, skipped) for name, each in absent.items()),
            ),
            quarantine=quarantine.counts(connection),
            overdue=members.count_overdue(connection, NOW.day()),
            erased=counts.read(connection),
        )


def _row(
    checkpoint: Checkpoint,
    head: int,
    skipped: Mapping[str, int],
    problem: ProjectorError | None,
) -> ProjectionStatus:
    return ProjectionStatus(
        name=checkpoint.projection,
        position=checkpoint.position,
        lag=max(head - checkpoint.position, 0),
        dead_letters=skipped.get(checkpoint.projection, 0),
        digest=checkpoint.digest,
        installed=True,
        error=None if problem is None else str(problem),
    )


def _absent_row(
    checkpoint: Checkpoint | None, name: str, head: int, skipped: Mapping[str, int]
) -> ProjectionStatus:
    """Return the status of a projection that cannot be loaded, or is no longer installed."""
    position = checkpoint.position if checkpoint else 0
    return ProjectionStatus(
        name=name,
        position=position,
        lag=max(head - position, 0),
        dead_letters=skipped.get(name, 0),
        digest=checkpoint.digest if checkpoint else digest.EMPTY,
        installed=name in _unloaded(),
        error=_unloaded().get(name, "No installed package has this projection."),
    )


def _loaded() -> set[str]:
    return {each.name for each in discover()}


def _unloaded() -> dict[str, str]:
    """Return the errors of plug-ins that could not be loaded, by their entry points' names."""
    return {each.name: f"{each.package}: {each.error}" for each in broken()}
