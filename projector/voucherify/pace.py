"""Spaces the requests of all threads evenly, counts them against a budget, and ends them."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock

from projector.voucherify.manners import StopReason

#: The longest uninterrupted wait, in seconds, after which a thread looks whether the run has ended.
_WAIT_SECONDS_MAX = 0.5


class RunStopped(Exception):
    """The run has ended: no further request may be sent."""

    def __init__(self, reason: StopReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Pace:
    """The right to send requests, which all threads share.

    Requests are spaced evenly, without bursts: the shop's own requests share the limit. A thread
    takes a turn before each request, whether it is a first try or a repetition. The run ends when
    the budget is used up, `stop` is set, or a thread ends it.
    """

    def __init__(
        self,
        *,
        per_minute: float,
        requests_max: int,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self._interval = 60.0 / per_minute
        self._requests_max = requests_max
        self._stop = stop
        self._clock = clock
        self._wait = wait or stop.wait
        self._lock = Lock()
        self._next_at = clock()
        self._held_until = clock()
        #: The number of requests so far.
        self.requests = 0
        #: Why the run has ended; None while it goes on.
        self.reason: StopReason | None = None

    def take(self) -> None:
        """Wait for a turn, and count it; raises RunStopped."""
        while (seconds := self._try_take()) > 0:
            self._sleep(seconds)

    def hold(self, seconds: float) -> None:
        """Let no thread take a turn for a while."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def rest(self, seconds: float) -> None:
        """Let only this thread wait; raises RunStopped."""
        end = self._clock() + seconds
        while (left := end - self._clock()) > 0:
            self._sleep(left)
        self.check()

    def end(self, reason: StopReason) -> None:
        """End the run; the first reason stays."""
        with self._lock:
            self.reason = self.reason or reason

    def check(self) -> None:
        """Raise RunStopped if the run has ended."""
        if self._stop.is_set():
            self.end(StopReason.INTERRUPTED)
        if self.reason is not None:
            raise RunStopped(self.reason)

    @property
    def has_ended(self) -> bool:
        """Whether no further request may be sent; takes no lock, as a signal's handler may hold it.

        So also while all threads wait for answers, and none of them checks.
        """
        return self.reason is not None or self._stop.is_set()

    @property
    def held_seconds(self) -> float:
        """For how long no thread may take a turn yet; 0 if one may."""
        return max(self._held_until - self._clock(), 0.0)

    def _try_take(self) -> float:
        """Take a turn and return 0, or return for how long to wait before."""
        self.check()
        with self._lock:
            if self.requests >= self._requests_max:
                self.reason = self.reason or StopReason.BUDGET
                raise RunStopped(self.reason)
            now = self._clock()
            seconds = max(self._next_at, self._held_until) - now
            if seconds <= 0:
                self._next_at = now + self._interval
                self.requests += 1
            return max(seconds, 0.0)

    def _sleep(self, seconds: float) -> None:
        self._wait(min(seconds, _WAIT_SECONDS_MAX))
        self.check()
