"""Makes a checkpoint from time to time, in the process of a follower, while that leads.

It runs in a thread of its own, so that projections do not wait for it. After each batch it rests
for as long as that took, because appends in the same process share the interpreter with it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event

from attrs import field, frozen

from projector.errors import ProjectorError
from projector.sealing.checkpoints import make_checkpoint
from projector.store.database import Database
from projector.tlog.keys import SigningKey

_logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class SealerConfig:
    """With which key checkpoints are signed, where they are written, and how often."""

    key: SigningKey = field(repr=False)
    #: The file that has the last checkpoint.
    out: str
    every_seconds: float


class Sealer:
    """Seals the log behind it and writes checkpoints, until stopped."""

    def __init__(
        self, database: Database, config: SealerConfig, *, is_leading: Callable[[], bool]
    ) -> None:
        self._database = database
        self._config = config
        self._is_leading = is_leading
        self._problem = ""

    def run(self, stop: Event) -> None:
        """Make a checkpoint every so many seconds, until `stop` is set; log every error once."""
        while not stop.wait(self._config.every_seconds):
            if self._is_leading():
                self._make(stop)

    def _make(self, stop: Event) -> None:
        began = time.monotonic()

        def rest(_sealed: int, _head: int) -> bool:
            """Wait as long as the last batch took; return whether to go on."""
            nonlocal began
            stopped = stop.wait(time.monotonic() - began)
            began = time.monotonic()
            return not stopped and self._is_leading()

        try:
            made = make_checkpoint(
                self._database, self._config.key, self._config.out, on_batch=rest
            )
        except ProjectorError as error:
            self._report(f"No checkpoint was made: {error} {error.hint}")
        except Exception as error:
            _logger.error("No checkpoint was made.", exc_info=error)
        else:
            if self._problem:
                _logger.info("A checkpoint of %d events was made again.", made.size)
            self._problem = ""

    def _report(self, problem: str) -> None:
        if problem != self._problem:
            _logger.error("%s", " ".join(problem.split()))
        self._problem = problem
