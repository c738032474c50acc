"""What several endpoints need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from projector.server.positions import TablesPosition, read_tables_position
from projector.server.queries import EndpointRequest
from projector.store.database import Database


def with_position(
    run: Callable[[Database, EndpointRequest], Any],
) -> Callable[[Database, EndpointRequest], Any]:
    """Let a function that reads in its own snapshot return a position as well.

    The position is read first: checkpoints grow, so the answer reflects at least that position.
    """

    def read(database: Database, request: EndpointRequest) -> tuple[Any, TablesPosition]:
        reached = read_tables_position(database)
        return run(database, request), reached

    return read


def number_in(text: str) -> int | None:
    """Return the number of an entry, a position or a job in a path; None for other texts."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None
