"""Lets signals end a run of requests, after what it is filing."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def stopped_by_signals(stop: Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set `stop`; a second one ends the process at once.

    The main thread must not use `stop` meanwhile: the handler runs in it, and would deadlock.
    """
    caught: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        stop.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
