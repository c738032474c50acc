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
from projector.server.access import Gate
from projector.server.bodies import Held
from projector.server.bulk import Bulk
from projector.server.health import LAG_EVENTS_MAX, Doctor
from projector.server.metrics import measured
from projector.server.positions import Progress
from projector.server.reader import Reader
from projector.server.thread_pool import Questions
from projector.server.writer import Committed, Writer
from projector.store.database import Database

#: How many questions and bodies are worked on at the same time, each in a thread, most of which
#: have a connection to the database; what is done together has threads of its own.
THREADS_MAX = 16

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Setup:
    """How a server is to be."""

    #: Of the webhooks' senders.
    secrets: Sequence[WebhookSecret] = ()
    #: Whether others than this machine can reach it: then nobody comes in without a token.
    is_public: bool = False
    #: Whether it projects what comes in.
    projects: bool = True
    #: How many events the tables may be behind for it to call itself ready.
    lag_max: int = LAG_EVENTS_MAX


class Service:
    """The parts of one server. Belongs to its event loop."""

    def __init__(self, database: Database, setup: Setup) -> None:
        self.database = database
        self.setup = setup
        self.metrics = measured(database)
        self.gate = Gate(database, is_public=setup.is_public)
        self.held = Held()
        self.progress = Progress(database)
        self.questions = Questions()
        self.writer = Writer(database, on_commit=self._committed)
        self.reader = Reader(database)
        self.bulk = Bulk(self.writer)
        self.doctor = Doctor(database, lag_max=setup.lag_max, is_working=lambda: self._is_working)
        self._is_working = True
        self._loop: asyncio.AbstractEventLoop | None = None
        self._follower = (
            Follower(database, discover(), on_batch=self._projected) if setup.projects else None
        )

    def stops(self) -> None:
        """From now on it does not call itself ready."""
        self._is_working = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All that goes on beside the requests; what was taken in before the end is written."""
        self._loop = asyncio.get_running_loop()
        to_thread.current_default_thread_limiter().total_tokens = THREADS_MAX
        doctor = asyncio.create_task(self.doctor.run())
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

    def _committed(self, done: Committed) -> None:
        """Called by the writer's thread."""
        self.metrics.committed(done)
        if self._follower is not None:
            self._follower.wake()

    def _projected(self, _position: int) -> None:
        """Called by the projector's thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop may have ended
                self._loop.call_soon_threadsafe(self.progress.moved)
