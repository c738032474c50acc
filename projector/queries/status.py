"""How the projector is doing: the head, how far each projection is, what is put aside."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.projections.projection import Projection
from projector.store import checkpoints, dead_letters, log, quarantine
from projector.store.database import Database


@frozen(kw_only=True)
class ProjectionStatus:
    """How far one projection is."""

    name: str
    #: Everything up to here is in its rows.
    position: int
    #: How many events of the log are not.
    lag: int
    #: How many events it could not take.
    dead_letters: int
    #: Of all its rows: equal rows, equal digests, on any database.
    digest: str


@frozen(kw_only=True)
class Status:
    """The state of the whole, in one snapshot."""

    #: The position of the last event.
    head: int
    projections: tuple[ProjectionStatus, ...]
    #: How many deliveries are put aside, by reason.
    quarantine: dict[str, int]


def read_status(database: Database, projections: Sequence[Projection]) -> Status:
    """The status of the log and of some projections."""
    with database.reading_tables() as connection:
        head = log.head(connection)
        letters = dead_letters.count_by_projection(connection)
        by_projection = checkpoints.read(connection, projections)
        return Status(
            head=head,
            projections=tuple(
                ProjectionStatus(
                    name=checkpoint.projection,
                    position=checkpoint.position,
                    lag=head - checkpoint.position,
                    dead_letters=letters.get(checkpoint.projection, 0),
                    digest=checkpoint.digest,
                )
                for checkpoint in by_projection.values()
            ),
            quarantine=quarantine.counts(connection),
        )
