"""Who folds: an engine takes ranges of the log and gives the rows of shadow tables.

How it does so, on how many processes or machines, shows in nothing that it takes or gives.
"""

from __future__ import annotations

from replay.engines import in_process, parallel
from replay.engines.engine import Engine, EnginePiece, Job, ShadowResult

__all__ = ["ENGINES", "Engine", "EnginePiece", "Job", "ShadowResult"]

ENGINES: dict[str, Engine] = {"in-process": in_process.run, "parallel": parallel.run}
