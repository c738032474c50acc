"""Builds the parts of one server, starts them and stops them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from threading import Event

from anyio import to_thread
from attrs import frozen

import replay
from projector.config import ConsoleSettings
from projector.intake.webhook_secrets import WebhookSecret
from projector.projections import discover
from projector.runner.follower import Follower
from projector.sealing.sealer import Sealer, SealerConfig
from projector.server.access import Authenticator
from projector.server.bodies import BodyBudget
from projector.server.bulk import BulkIngest
from projector.server.health import LAG_EVENTS_MAX, HealthMonitor
from projector.server.jobs import JobRunner
from projector.server.metrics import create_metrics
from projector.server.operations import OperationsReader
from projector.server.positions import PositionWaiter
from projector.server.reader import Reader
from projector.server.thread_pool import ThreadPool
from projector.server.writer import Commit, Writer
from projector.store.database import Database

#: The most threads for queries and bodies; most of them have a database connection. The writer and
#: the reader, which batch requests, have threads of their own.
THREADS_MAX = 16

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class ServerConfig:
    """The configuration of a server."""

    #: The secrets that webhooks are signed with.
    secrets: Sequence[WebhookSecret] = ()
    #: Whether other machines can reach it; then every request needs a token.
    is_public: bool = False
    #: Whether it runs a follower, which projects new events into the tables.
    runs_follower: bool = True
    #: The greatest lag of the tables, in events, at which it reports itself as ready.
    lag_max: int = LAG_EVENTS_MAX
    #: The settings of the console; None switches it off.
    console: ConsoleSettings | None = None
    #: How checkpoints of the log are made behind it; None for none. It needs a follower.
    sealer: SealerConfig | None = None


class ServerContext:
    """The parts of one server. Belongs to its event loop."""

    def __init__(self, database: Database, config: ServerConfig) -> None:
        self.database = database
        self.config = config
        self.metrics = create_metrics(database)
        self.authenticator = Authenticator(database, is_public=config.is_public)
        self.body_budget = BodyBudget()
        self.positions = PositionWaiter(database)
        self.thread_pool = ThreadPool()
        self.writer = Writer(database, on_commit=self._on_commit)
        self.reader = Reader(database)
        self.bulk = BulkIngest(self.writer)
        self.health_monitor = HealthMonitor(
            database, lag_max=config.lag_max, is_working=lambda: self._is_working
        )
        self.operations = OperationsReader(database, self.health_monitor, self.metrics.refusals)
        self.jobs = JobRunner(database, is_stopping=lambda: not self._is_working)
        self._is_working = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._follower = (
            Follower(
                database,
                discover(),
                on_batch=self._on_batch,
                rebuild_backlog=replay.rebuild_backlog,
            )
            if config.runs_follower
            else None
        )
        self._sealer = (
            Sealer(database, config.sealer, is_leading=self._follower.is_leading)
            if config.sealer is not None and self._follower is not None
            else None
        )

    def mark_stopping(self) -> None:
        """Report the server as not ready from now on, so that load balancers leave it out."""
        self._is_working = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the background tasks; in the end, drain the queues and wait for the tasks."""
        self._loop = asyncio.get_running_loop()
        to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX
        monitor = asyncio.create_task(self.health_monitor.run())
        batchers = [asyncio.create_task(each.run()) for each in (self.writer, self.reader)]
        stop = Event()
        # In a thread of its own, because requests could use up all threads of the shared pool.
        follower = asyncio.create_task(self._follow(stop))
        sealer = asyncio.create_task(self._seal(stop))
        jobs = asyncio.create_task(asyncio.to_thread(self.jobs.run))
        try:
            yield
        finally:
            self.mark_stopping()
            self.jobs.wake()
            self.writer.stop()
            self.reader.stop()
            try:
                await asyncio.gather(*batchers)
            finally:
                # Also if this task is cancelled: a thread cannot be, and it would keep the process
                # alive.
                stop.set()
            await follower
            await sealer
            await jobs
            monitor.cancel()
            with suppress(asyncio.CancelledError):
                await monitor
            _log.info("stopped")

    async def _follow(self, stop: Event) -> None:
        if self._follower is not None:
            await asyncio.to_thread(self._follower.run, stop)

    async def _seal(self, stop: Event) -> None:
        if self._sealer is not None:
            await asyncio.to_thread(self._sealer.run, stop)

    def _on_commit(self, commit: Commit) -> None:
        """Count a commit and wake the follower. The writer's thread calls it."""
        self.metrics.count_commit(commit)
        if self._follower is not None:
            self._follower.wake()

    def _on_batch(self, _position: int) -> None:
        """Notify the requests that wait for a position. The follower's thread calls it."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self.positions.notify)
