"""Isolates failing projections: one that cannot run is set aside, and the others go on.

To set a projection aside is to record its error with its checkpoint: no process runs it until a
rebuild of it succeeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from projector.errors import (
    ProjectionAhead,
    ProjectionFailed,
    ProjectionOutdated,
    ProjectorError,
    RowsUnreadable,
)
from projector.projections.projection import Projection, failure_reason
from projector.projections.rebuilding import SHADOW
from projector.store import checkpoints, log
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.read_errors import is_caused_by_values
from projector.store.row_tables import fingerprint


@contextmanager
def blaming(projection: Projection) -> Iterator[None]:
    """Raise ProjectionFailed in place of an error that a projection's code, rows or table caused.

    Other ProjectorErrors and errors of the environment (a lost connection, a full disk) propagate
    unchanged.
    """
    try:
        yield
    except RowsUnreadable as error:
        raise ProjectionFailed(projection=_live_name(projection), reason=error) from error
    except (ProjectorError, MemoryError):
        raise
    except Exception as error:
        driver_error = error.orig if isinstance(error, DBAPIError) else error
        if not is_caused_by_values(driver_error):
            raise
        reason = failure_reason(error).partition("\n")[0]
        raise ProjectionFailed(projection=_live_name(projection), reason=reason) from error


def problem(projection: Projection, checkpoint: Checkpoint, head: int) -> ProjectorError | None:
    """Return why a projection must not run: ProjectionFailed, ProjectionOutdated or None.

    A projection is outdated if its rows were written by another version of its fold or with another
    table layout, because a table must not mix rows of two versions or layouts; and if its rows
    contain events beyond the head of the log, which would be skipped when others get their
    positions (ProjectionAhead).
    """
    if checkpoint.error is not None:
        return ProjectionFailed(projection=projection.name, reason=checkpoint.error)
    layout = fingerprint(projection)
    if checkpoint.fingerprint != layout or (
        checkpoint.position and checkpoint.version != projection.version
    ):
        return ProjectionOutdated(
            projection=projection.name,
            found=_identity(checkpoint.version, checkpoint.fingerprint),
            needed=_identity(projection.version, layout),
        )
    if checkpoint.position > head:
        return ProjectionAhead(projection=projection.name, position=checkpoint.position, head=head)
    return None


def problems(
    projections: Sequence[Projection], by_name: Mapping[str, Checkpoint], head: int
) -> list[ProjectorError]:
    """Return the problems of projections, in the order of `projections`."""
    possible = (problem(each, by_name[each.name], head) for each in projections)
    return [each for each in possible if each is not None]


def read_problems(database: Database, projections: Sequence[Projection]) -> list[ProjectorError]:
    """Read the checkpoints of projections, and return their problems."""
    with database.reading() as connection:
        by_name = checkpoints.read(connection, projections)
        return problems(projections, by_name, log.head(connection))


def runnable(
    projections: Sequence[Projection], by_name: Mapping[str, Checkpoint], head: int
) -> list[Projection]:
    """Return the projections without a problem."""
    return [each for each in projections if problem(each, by_name[each.name], head) is None]


def set_aside(
    database: Database, projections: Sequence[Projection], failed: ProjectionFailed
) -> None:
    """Record a projection's failure with its checkpoint, so that no process runs it again.

    Raises `failed` again if it names none of `projections`. That is the case for the shadows of a
    rebuild, whose failures name the live projection: the rebuild ends, the live table goes on.
    """
    name, reason = failed.details["projection"], str(failed.details["reason"])
    projection = next((each for each in projections if each.name == name), None)
    if projection is None:
        raise failed
    with database.writing() as connection:
        checkpoints.create(connection, projection)
        checkpoints.set_error(connection, projection, reason)


def _live_name(projection: Projection) -> str:
    return projection.name.removesuffix(SHADOW)


def _identity(version: int, layout: str) -> str:
    return f"version {version} with columns {layout[:8]}"
