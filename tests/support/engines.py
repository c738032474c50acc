"""Makes engines of functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from replay.engines import Engine, EnginePiece, Job


def as_engine(run: Callable[[Job], Iterator[EnginePiece]]) -> Engine:
    """An engine that runs the decorated function."""
    return Engine(name=run.__name__, run=run)
