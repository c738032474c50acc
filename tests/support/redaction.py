"""Erases events, as an operator does."""

from collections.abc import Sequence

from projector.erasure import forget
from projector.erasure.forgotten import show_erasure
from projector.store.database import Database


def erase(
    database: Database,
    *customer_ids: str,
    positions: Sequence[int] = (),
    project_id: str = "proj_1",
) -> list[int]:
    """Erase customers, and events without one; return all positions that were erased."""
    report = forget(database, customer_ids, positions=positions, project_id=project_id)
    assert report.erasure_id is not None
    ranges = show_erasure(database, report.erasure_id).positions
    return [position for first, last in ranges for position in range(first, last + 1)]
