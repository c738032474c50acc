"""Chooses the engine of a rebuild: it folds the events of the log into shadow tables.

An engine's interface does not depend on the number of processes or machines that it uses.
"""

from __future__ import annotations

import os

from projector.errors import ArchiveNotGiven, EngineUnknown
from replay.engines import in_process, parallel
from replay.engines.engine import Engine, EnginePiece, Job, ShadowResult
from replay.engines.spark.options import SparkOptions

__all__ = [
    "ENGINES",
    "PARALLEL_EVENTS_MIN",
    "SPARK",
    "Engine",
    "EnginePiece",
    "Job",
    "ShadowResult",
    "SparkOptions",
    "available_cores",
    "by_name",
    "choose",
    "on_spark",
]

#: The engines that need nothing but the database.
ENGINES = {each.name: each for each in (in_process.ENGINE, parallel.ENGINE)}

#: The engine that needs an archive as well; see `on_spark`.
SPARK = "spark"

#: The number of events from which on worker processes save more time than they take to start.
PARALLEL_EVENTS_MIN = 50_000


def by_name(name: str) -> Engine:
    """Return the engine of a name; raises EngineUnknown, and ArchiveNotGiven for Spark."""
    if name == SPARK:
        raise ArchiveNotGiven
    if name not in ENGINES:
        raise EngineUnknown(name=name, known=", ".join([*ENGINES, SPARK]))
    return ENGINES[name]


def on_spark(options: SparkOptions) -> Engine:
    """Return the engine that folds an archive on Spark.

    Raises ExtraMissing, JavaMissing, and the errors of opening the archive.
    """
    from replay.engines.spark.install import require_extra

    require_extra()
    # This needs the extra.
    from replay.engines.spark.engine import engine

    return engine(options)


def choose(events: int, workers: int | None) -> Engine:
    """Choose the engine for a log of `events` events: parallel if large, or if `workers` is set."""
    is_small = workers is None and events < PARALLEL_EVENTS_MIN
    return by_name("in-process" if is_small else "parallel")


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
