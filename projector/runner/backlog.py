"""Lets a follower that is very far behind the log rebuild its projections instead of batches.

The rebuild is handed in: `replay` is a layer above this one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import Event, Thread

from projector.errors import DatabaseUnreachable, ProjectorError
from projector.projections.projection import Projection
from projector.store.database import Database

_logger = logging.getLogger(__name__)

#: A function that rebuilds those projections that are very far behind, and returns the position
#: reached; None if there are none. Its arguments are those of `replay.rebuild_backlog`.
RebuildBacklog = Callable[..., int | None]


class Backlog:
    """The events that a follower has to fold when it is very far behind."""

    def __init__(
        self,
        database: Database,
        projections: Sequence[Projection],
        rebuild: RebuildBacklog | None,
        *,
        seconds: float,
    ) -> None:
        """Take the function that rebuilds, if any; and the time between two looks or heartbeats."""
        self._database = database
        self._projections = projections
        self._rebuild = rebuild
        self._seconds = seconds
        self._look_at = 0.0

    def project(self, stop: Event, heartbeat: Callable[[], object]) -> int | None:
        """Rebuild the projections that are very far behind; return the position, if there are any.

        Looks from time to time only. Never tries again after a rebuild that failed: what it lacks,
        it will lack a moment later, too. Ends without a rebuild once `stop` is set. Raises
        DatabaseUnreachable.
        """
        now = time.monotonic()
        if self._rebuild is None or now < self._look_at:
            return None
        self._look_at = now + self._seconds
        try:
            with self._repeating(heartbeat):
                return self._rebuild(
                    self._database, self._projections, on_progress=partial(_raise_if_set, stop)
                )
        except _Stopped:
            return None
        except DatabaseUnreachable:
            raise
        except ProjectorError as error:
            self._rebuild = None
            _logger.warning("No rebuild of the backlog, which is folded in batches: %s", error)
            return None

    @contextmanager
    def _repeating(self, heartbeat: Callable[[], object]) -> Iterator[None]:
        """Send heartbeats from another thread: a rebuild may take longer than the lease lasts."""
        done = Event()

        def repeat() -> None:
            while not done.wait(self._seconds):
                try:
                    heartbeat()
                except ProjectorError as error:
                    _logger.warning("No heartbeat: %s", error)

        thread = Thread(target=repeat, name="heartbeats", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


class _Stopped(Exception):
    """The follower is to stop; this ends a rebuild."""


def _raise_if_set(stop: Event, *_progress: object) -> None:
    if stop.is_set():
        raise _Stopped
