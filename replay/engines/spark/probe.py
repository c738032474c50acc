"""Checks that the executors have what the driver has: Python, this package, the projections."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from projector.errors import SparkFailed, WorkerUnfit
from projector.facts.registry import facts
from projector.store.row_tables import fingerprint
from replay.engines.spark.archive_fold import ArchiveWork, shadows_of
from replay.engines.spark.failures import translating

if TYPE_CHECKING:
    from pyspark import SparkContext

#: The name of the distribution.
PACKAGE = "customer-state-projector"


def identity(work: ArchiveWork) -> dict[str, str]:
    """Return what a process folds with, by the name of each thing; to be compared."""
    found = {
        "Python": ".".join(map(str, sys.version_info[:2])),
        PACKAGE: version(PACKAGE),
        "the event types": ", ".join(sorted(facts())),
    }
    for each in shadows_of(work.projections):
        found[f"the projection {each.name}"] = f"version {each.version}, {fingerprint(each)}"
    return found


def require_fit(context: SparkContext, work: ArchiveWork) -> None:
    """Raise WorkerUnfit if an executor cannot fold, or would fold otherwise than this process."""
    tasks = 2 * max(context.defaultParallelism, 1)
    try:
        with translating():
            answers = context.parallelize(range(tasks), tasks).mapPartitions(_probe(work)).collect()
    except SparkFailed as error:
        raise WorkerUnfit(reason=error.details["reason"]) from error
    wanted = identity(work)
    for host, found in answers:
        if isinstance(found, str):
            raise WorkerUnfit(reason=f"on {host}: {found}")
        for name, value in wanted.items():
            if found.get(name) != value:
                reason = f"{host} has {found.get(name, 'nothing')!r} for {name}, not {value!r}"
                raise WorkerUnfit(reason=reason)


def _probe(work: ArchiveWork) -> Callable[[Iterable[int]], Iterator[tuple[str, Any]]]:
    """Return the task. It is pickled by value, because an executor may lack this package."""
    # A tuple of plain values for the same reason.
    fields = (work.archive_url, work.prefix, work.projections, work.dialect)

    def probe(_: Iterable[int]) -> Iterator[tuple[str, Any]]:
        import platform
        import sys

        try:
            from replay.engines.spark import probe
            from replay.engines.spark.archive_fold import ArchiveWork

            url, prefix, projections, dialect = fields
            given = ArchiveWork(
                archive_url=url, prefix=prefix, projections=projections, dialect=dialect
            )
            yield platform.node(), probe.identity(given)
        except Exception as error:  # it is the answer, whatever it is
            yield platform.node(), f"{sys.executable} says: {error}"

    return probe
