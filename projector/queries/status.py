"""The status of the projector: the log's head, the projections' lag, and the quarantine."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.projections.projection import Projection
from projector.store import checkpoints, dead_letters, log, quarantine
from projector.store.database import Database


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


@frozen(kw_only=True)
class Status:
    """The status of the log, the projections and the quarantine, in one snapshot."""

    #: The position of the last event.
    head: int
    projections: tuple[ProjectionStatus, ...]
    #: The number of deliveries in the quarantine, by reason.
    quarantine: dict[str, int]


def read_status(database: Database, projections: Sequence[Projection]) -> Status:
    """Read the status of the log, of some projections and of the quarantine, in one snapshot."""
    with database.reading_tables() as connection:
        head = log.head(connection)
        counts = dead_letters.count_by_projection(connection)
        by_projection = checkpoints.read(connection, projections)
        return Status(
            head=head,
            projections=tuple(
                ProjectionStatus(
                    name=checkpoint.projection,
                    position=checkpoint.position,
                    lag=head - checkpoint.position,
                    dead_letters=counts.get(checkpoint.projection, 0),
                    digest=checkpoint.digest,
                )
                for checkpoint in by_projection.values()
            ),
            quarantine=quarantine.counts(connection),
        )
