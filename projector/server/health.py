"""Monitors readiness: checks the database, the follower and its lag once a second."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
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

#: The pause between two checks, in seconds.
LOOK_SECONDS = 1.0

#: The age of the last result, in seconds, at which the database counts as unresponsive.
LOOK_SECONDS_MAX = 5.0

#: The timeout of a check, in seconds, after which all connections to the database are cut, so that
#: no request waits on one forever: Voucherify waits ten for an answer to a webhook.
PATIENCE_SECONDS_MAX = 7.0

#: The pace of the tables is that of so many seconds.
PACE_SECONDS = 30.0

#: The default of `--lag-max`: the greatest lag of the tables in events.
LAG_EVENTS_MAX = 10_000

#: The reason before the first check.
_UNCHECKED = "The first check has not finished yet."

#: The reason at first: seeing a heartbeat takes two checks with a heartbeat in between.
_STARTING = "No heartbeat of a projector was seen yet."

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Health:
    """The result of the last check."""

    ready: bool = False
    #: Whether the database answers and has the schema that this program needs.
    database: bool = False
    #: Whether a projector, in this process or in another one, sends heartbeats.
    projector: bool = False
    #: The lag of the tables in events, or None if unknown.
    lag: int | None = None
    #: The greatest lag at which the server is ready.
    lag_max: int = LAG_EVENTS_MAX
    #: Why the server is not ready, as a sentence; None if it is.
    reason: str | None = _UNCHECKED


class HealthMonitor:
    """The periodic check. Belongs to the event loop."""

    def __init__(self, database: Database, *, lag_max: int, is_working: Callable[[], bool]) -> None:
        self._database = database
        self._lease = LeaseMonitor(database)
        self._lag_max = lag_max
        self._is_working = is_working
        self._last = Health(lag_max=lag_max)
        self._started_at = self._checked_at = time.monotonic()
        self._was_alive = False
        #: Positions of the tables with the time of each, of the last PACE_SECONDS.
        self._positions: deque[tuple[float, int]] = deque()
        # A thread of its own: slow queries may keep all the others busy.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="health")

    def health(self) -> Health:
        """Return the last result, or that the database does not answer if it is too old."""
        if time.monotonic() - self._checked_at > LOOK_SECONDS_MAX:
            return Health(lag_max=self._lag_max, reason="The database does not answer.")
        if not self._is_working():
            return evolve(self._last, ready=False, reason="The server is stopping.")
        return self._last

    @property
    def is_starting(self) -> bool:
        """Whether it is too early to tell whether a projector runs."""
        return self.health().reason in (_UNCHECKED, _STARTING)

    def drain_seconds(self) -> float | None:
        """Return in how many seconds the tables will be up to date, at the pace of late.

        None if they are, or if they do not move.
        """
        samples = tuple(self._positions)
        lag = self._last.lag
        if not lag or len(samples) < 2:
            return None
        (began_at, began), (ended_at, ended) = samples[0], samples[-1]
        moved = ended - began
        return None if moved <= 0 else lag * (ended_at - began_at) / moved

    async def run(self) -> None:
        """Check until cancelled, and log every change of the reason."""
        try:
            while True:
                self._record(await self._check_or_cut())
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._thread.shutdown(wait=False)

    def _record(self, health: Health) -> None:
        if health.reason != self._last.reason:
            is_expected = health.ready or health.reason == _STARTING
            level = logging.INFO if is_expected else logging.WARNING
            _log.log(level, "ready" if health.ready else f"not ready: {health.reason}")
        self._last, self._checked_at = health, time.monotonic()

    async def _check_or_cut(self) -> Health:
        check = asyncio.get_running_loop().run_in_executor(self._thread, self._check)
        try:
            while not (await asyncio.wait({check}, timeout=PATIENCE_SECONDS_MAX))[0]:
                _log.warning("the database does not answer: cutting its connections")
                self._database.cut()
        except asyncio.CancelledError:
            # This task was the only one that could free the thread from a dead connection.
            self._database.cut()
            raise
        return check.result()

    def _check(self) -> Health:
        try:
            schema.check(self._database)
            is_alive = self._lease.look().is_alive
            tables = read_tables_position(self._database)
            problems = isolation.read_problems(self._database, discover())
        except ProjectorError as error:
            # /health needs no token: the error is only logged, not reported to the client.
            _log.debug("the database does not answer: %s", error)
        except Exception:
            # Keep checking: otherwise a single failure would make the server unready forever.
            _log.exception("a health check failed")
        else:
            return self._evaluate(is_alive, tables, problems)
        return Health(lag_max=self._lag_max, reason="The database cannot be used.")

    def _remember(self, position: int) -> None:
        now = time.monotonic()
        self._positions.append((now, position))
        while now - self._positions[0][0] > PACE_SECONDS:
            self._positions.popleft()

    def _evaluate(
        self, is_alive: bool, tables: TablesPosition, problems: Sequence[ProjectorError]
    ) -> Health:
        lag = tables.head - tables.position
        self._remember(tables.position)
        reason = None
        self._was_alive = self._was_alive or is_alive
        is_early = time.monotonic() - self._started_at < LEASE_SECONDS
        if not self._was_alive and is_early:
            reason = _STARTING
        elif not is_alive:
            reason = "No projector sends heartbeats: start `projector run`, or check its log."
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
