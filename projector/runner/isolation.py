"""Isolates projections from each other: one that cannot run is set aside, the others go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from projector.errors import (
    ProjectionFailed,
    ProjectionOutdated,
    ProjectorError,
    RowsUnreadable,
)
from projector.projections.projection import Projection, failure_reason
from projector.projections.rebuilding import SHADOW
from projector.store import checkpoints
from projector.store.checkpoints import Checkpoint
from projector.store.database import Database
from projector.store.read_errors import is_caused_by_values
from projector.store.tables import fingerprint


@contextmanager
def blaming(projection: Projection) -> Iterator[None]:
    """Raise ProjectionFailed for an error that a projection's code, rows or table caused.

    Errors of the environment (a lost connection, a full disk) pass as they are.
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


def problem(projection: Projection, checkpoint: Checkpoint) -> ProjectorError | None:
    """The reason why a projection must not run: ProjectionFailed or ProjectionOutdated, or None.

    Rows of two versions of a fold, or of two layouts, must not be mixed.
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
    return None


def problems(
    projections: Sequence[Projection], found: Mapping[str, Checkpoint]
) -> list[ProjectorError]:
    """The problems of projections, in their order."""
    each_of_them = (problem(each, found[each.name]) for each in projections)
    return [each for each in each_of_them if each is not None]


def read_problems(database: Database, projections: Sequence[Projection]) -> list[ProjectorError]:
    """Read the problems of projections from their checkpoints."""
    with database.reading() as connection:
        return problems(projections, checkpoints.read(connection, projections))


def runnable(
    projections: Sequence[Projection], found: Mapping[str, Checkpoint]
) -> list[Projection]:
    """The projections without a problem."""
    return [each for each in projections if problem(each, found[each.name]) is None]


def set_aside(
    database: Database, projections: Sequence[Projection], failed: ProjectionFailed
) -> None:
    """Record the error of a projection that failed, so that no process runs it again.

    The failure of a shadow is raised again: it ends the rebuild, and the live table goes on.
    """
    name, reason = failed.details["projection"], str(failed.details["reason"])
    found = [each for each in projections if each.name == name]
    if not found:
        raise failed
    with database.writing() as connection:
        checkpoints.create(connection, found[0])
        checkpoints.set_error(connection, found[0], reason)


def _live_name(projection: Projection) -> str:
    return projection.name.removesuffix(SHADOW)


def _identity(version: int, layout: str) -> str:
    return f"version {version} with columns {layout[:8]}"
