"""What a server consists of, and how it begins and ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from threading import Event

from anyio import to_thread
from attrs import frozen

from projector.intake.webhook_secrets import WebhookSecret
from projector.projections import discover
from projector.runner.follower import Follower
from projector.server.access import Authenticator
from projector.server.bodies import BodyBudget
from projector.server.bulk import BulkIngest
from projector.server.health import LAG_EVENTS_MAX, HealthMonitor
from projector.server.metrics import create_metrics
from projector.server.positions import PositionWaiter
from projector.server.reader import Reader
from projector.server.thread_pool import ThreadPool
from projector.server.writer import Commit, Writer
from projector.store.database import Database

#: How many questions and bodies are worked on at the same time, each in a thread, most of which
#: have a connection to the database; what is done together has threads of its own.
THREADS_MAX = 16

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class ServerConfig:
    """How a server is to be."""

    #: Of the webhooks' senders.
    secrets: Sequence[WebhookSecret] = ()
    #: Whether others than this machine can reach it: then nobody comes in without a token.
    is_public: bool = False
    #: Whether it projects what comes in.
    runs_follower: bool = True
    #: How many events the tables may be behind for it to call itself ready.
    lag_max: int = LAG_EVENTS_MAX


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
        self.writer = Writer(database, on_commit=self._committed)
        self.reader = Reader(database)
        self.bulk = BulkIngest(self.writer)
        self.health_monitor = HealthMonitor(
            database, lag_max=config.lag_max, is_working=lambda: self._is_working
        )
        self._is_working = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._follower = (
            Follower(database, discover(), on_batch=self._projected)
            if config.runs_follower
            else None
        )

    def stops(self) -> None:
        """From now on it does not call itself ready."""
        self._is_working = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All that goes on beside the requests; what was taken in before the end is written."""
        self._loop = asyncio.get_running_loop()
        to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX
        doctor = asyncio.create_task(self.health_monitor.run())
        groups = [asyncio.create_task(each.run()) for each in (self.writer, self.reader)]
        stop = Event()
        # A thread of its own, for requests must not use up those that it could get.
        follower = asyncio.create_task(self._follow(stop))
        try:
            yield
        finally:
            self.stops()
            self.writer.stop()
            self.reader.stop()
            try:
                await asyncio.gather(*groups)
            finally:
                # Also when somebody does not want to wait: a thread cannot be cancelled.
                stop.set()
            await follower
            doctor.cancel()
            with suppress(asyncio.CancelledError):
                await doctor
            _log.info("stopped")

    async def _follow(self, stop: Event) -> None:
        if self._follower is not None:
            await asyncio.to_thread(self._follower.run, stop)

    def _committed(self, done: Commit) -> None:
        """Called by the writer's thread."""
        self.metrics.committed(done)
        if self._follower is not None:
            self._follower.wake()

    def _projected(self, _position: int) -> None:
        """Called by the projector's thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self.positions.moved)
