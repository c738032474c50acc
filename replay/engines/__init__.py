"""Chooses the engine of a rebuild: it folds the events of the log into shadow tables.

An engine's interface does not depend on the number of processes or machines that it uses.
"""

from __future__ import annotations

import os

from projector.errors import EngineUnknown
from replay.engines import in_process, parallel
from replay.engines.engine import Engine, EnginePiece, Job, ShadowResult

__all__ = [
    "ENGINES",
    "PARALLEL_EVENTS_MIN",
    "Engine",
    "EnginePiece",
    "Job",
    "ShadowResult",
    "available_cores",
    "by_name",
    "choose",
]

ENGINES: dict[str, Engine] = {"in-process": in_process.run, "parallel": parallel.run}

#: The number of events from which on worker processes save more time than they take to start.
PARALLEL_EVENTS_MIN = 50_000


def by_name(name: str) -> Engine:
    """Return the engine of a name; raises EngineUnknown."""
    if name not in ENGINES:
        raise EngineUnknown(name=name, known=", ".join(ENGINES))
    return ENGINES[name]


def choose(events: int, workers: int | None) -> Engine:
    """Choose the engine for a log of `events` events: parallel if large, or if `workers` is set."""
    is_small = workers is None and events < PARALLEL_EVENTS_MIN
    return by_name("in-process" if is_small else "parallel")


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
