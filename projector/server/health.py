"""Whether the server can do its work: looked at all the time, and told at once."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from attrs import evolve, frozen

from projector.errors import ProjectorError
from projector.projections import discover
from projector.runner import isolation
from projector.runner.lease_monitor import LEASE_SECONDS, LeaseMonitor
from projector.server.positions import TablesPosition, read_tables_position
from projector.store import schema
from projector.store.database import Database

#: Between two looks, in seconds.
LOOK_SECONDS = 1.0

#: A look that takes longer than this, in seconds, has found that the database does not answer.
LOOK_SECONDS_MAX = 5.0

#: After so many seconds all connections to a database that does not answer are broken, so that
#: nobody waits on one without end: the sender of a webhook waits for ten.
PATIENCE_SECONDS_MAX = 7.0

#: How many events the tables may be behind, unless the operator says otherwise.
LAG_EVENTS_MAX = 10_000

#: A projector's signs of life are seen some seconds after its first one, or its neighbour's.
_STARTING = "No sign of life of a projector was seen yet."

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Health:
    """What was seen at the last look."""

    ready: bool = False
    #: The database answers, and has the schema that this program needs.
    database: bool = False
    #: A projector, in this process or in another one, shows signs of life.
    projector: bool = False
    #: How many events the tables are behind; None where that is not known.
    lag: int | None = None
    #: The most that they may be.
    lag_max: int = LAG_EVENTS_MAX
    #: What is wrong, as a sentence; None where nothing is.
    reason: str | None = "Nothing was looked at yet."


class HealthMonitor:
    """Looks again and again. Belongs to the event loop."""

    def __init__(self, database: Database, *, lag_max: int, is_working: Callable[[], bool]) -> None:
        self._database = database
        self._watch = LeaseMonitor(database)
        self._lag_max = lag_max
        self._is_working = is_working
        self._seen = Health(lag_max=lag_max)
        self._begun_at = self._seen_at = time.monotonic()
        self._was_alive = False
        # A thread of its own: the others may all be at questions that take long.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="doctor")

    def health(self) -> Health:
        """What was seen, if that is not too long ago."""
        if time.monotonic() - self._seen_at > LOOK_SECONDS_MAX:
            return Health(lag_max=self._lag_max, reason="The database does not answer.")
        if not self._is_working():
            return evolve(self._seen, ready=False, reason="The server is stopping.")
        return self._seen

    async def run(self) -> None:
        """Look until cancelled, and log when the finding changes."""
        try:
            while True:
                self._see(await self._look_or_cut())
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._thread.shutdown(wait=False)

    def _see(self, found: Health) -> None:
        if found.reason != self._seen.reason:
            expected = found.ready or found.reason == _STARTING
            level = logging.INFO if expected else logging.WARNING
            _log.log(level, "ready" if found.ready else f"not ready: {found.reason}")
        self._seen, self._seen_at = found, time.monotonic()

    async def _look_or_cut(self) -> Health:
        look = asyncio.get_running_loop().run_in_executor(self._thread, self._look)
        try:
            while not (await asyncio.wait({look}, timeout=PATIENCE_SECONDS_MAX))[0]:
                _log.warning("the database does not answer: its connections are broken")
                self._database.cut()
        except asyncio.CancelledError:
            # Nobody is left who would end the waiting of the thread.
            self._database.cut()
            raise
        return look.result()

    def _look(self) -> Health:
        try:
            schema.check_revision(self._database)
            is_alive = self._watch.look().is_alive
            reached = read_tables_position(self._database)
            problems = isolation.read_problems(self._database, discover())
        except ProjectorError as error:
            # Who asks need not have a token: nothing of the inside is told.
            _log.debug("the database does not answer: %s", error)
        except Exception:
            # It looks again: one that gave up would say no for ever.
            _log.exception("a look at the database failed")
        else:
            return self._judge(is_alive, reached, problems)
        return Health(lag_max=self._lag_max, reason="The database cannot be used.")

    def _judge(
        self, is_alive: bool, reached: TablesPosition, problems: Sequence[ProjectorError]
    ) -> Health:
        lag = reached.head - reached.position
        reason = None
        self._was_alive = self._was_alive or is_alive
        is_early = time.monotonic() - self._begun_at < LEASE_SECONDS
        if not self._was_alive and is_early:
            reason = _STARTING
        elif not is_alive:
            reason = "No projector shows signs of life: run `projector run`, or look at its log."
        elif lag > self._lag_max:
            reason = f"The tables are {lag} events behind."
        elif problems:
            names = ", ".join(str(each.details["projection"]) for each in problems)
            reason = f"Projections that do not run: {names}. See /status."
        return Health(
            ready=reason is None,
            database=True,
            projector=is_alive,
            lag=lag,
            lag_max=self._lag_max,
            reason=reason,
        )
