"""Engines: each takes the events of the log and fills shadow tables.

On how many processes or machines it does so shows in nothing that it takes or gives.
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

#: From this many events on, worker processes are worth their start.
PARALLEL_EVENTS_MIN = 50_000


def by_name(name: str) -> Engine:
    """Look an engine up; raises EngineUnknown."""
    if name not in ENGINES:
        raise EngineUnknown(name=name, known=", ".join(ENGINES))
    return ENGINES[name]


def choose(events: int, workers: int | None) -> Engine:
    """Choose the engine for a log of `events` events; a number of workers asks for processes."""
    is_small = workers is None and events < PARALLEL_EVENTS_MIN
    return by_name("in-process" if is_small else "parallel")


def available_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
