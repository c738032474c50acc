"""Checks, before the fold, that executors have what the driver has: Python, this package, folds.

Each process checks it again before it works: executors may come later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from projector.errors import WorkerUnfit
from replay.engines.spark.archive_fold import ArchiveWork, require_identity


def probe(work: ArchiveWork) -> Callable[[Iterable[int]], Iterator[tuple[str, Any]]]:
    """Return a task that yields the name of its machine, and its identity or why it has none.

    It is pickled by value and imports what it needs, because an executor may lack this package.
    """
    projections = work.projections

    def answer(_: Iterable[int]) -> Iterator[tuple[str, Any]]:
        import platform
        import sys

        try:
            from replay.engines.spark.archive_fold import identity

            yield platform.node(), identity(projections)
        except Exception as error:  # it is the answer, whatever it is
            yield platform.node(), f"{sys.executable} says: {error}"

    return answer


def require_fit(work: ArchiveWork, answers: Iterable[tuple[str, Any]]) -> None:
    """Raise WorkerUnfit if a machine cannot fold, or would fold otherwise than this process."""
    for host, found in answers:
        if isinstance(found, str):
            raise WorkerUnfit(reason=f"on {host}, {found}")
        require_identity(work.identity, found, host=host)
