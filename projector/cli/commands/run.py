"""run: the tables follow the log."""

from __future__ import annotations

import signal
from threading import Event, Thread
from types import FrameType

from projector import logs
from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Url, app
from projector.runner.follower import Follower

#: How long to wait for somebody else's lock, in seconds; then it is logged, and tried again.
LOCK_SECONDS_MAX = 10.0

#: How long Postgres keeps the locks of a process that was stopped amid a transaction, in seconds.
IDLE_SECONDS_MAX = 30.0


@app.command
def run(*, url: Url) -> None:
    """Follow the log, and keep the tables up to date, until stopped.

    Several may run at once, on several machines: one works, the others stand by and take its place
    when it is stopped or dies. SIGTERM and Ctrl-C end it after the batch that it is at.
    """
    with open_projector(
        url, lock_seconds_max=LOCK_SECONDS_MAX, idle_seconds_max=IDLE_SECONDS_MAX
    ) as projector:
        follower = projector.follower()
        other = projector.lease_monitor().look().holder
        until = "." if other is None else f", standing by as long as {other} shows life."
        output.line(f"{follower.holder} follows {projector.database}{until}", stderr=True)
        logs.configure()
        ended_by = _follow_until_signalled(follower)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt


def _follow_until_signalled(follower: Follower) -> int | None:
    """Follow in a thread; returns the signal that ended it."""
    stop, caught = Event(), list[int]()

    def end(number: int, _frame: FrameType | None) -> None:
        if caught:
            # It is not quick enough for somebody.
            raise KeyboardInterrupt
        caught.append(number)
        stop.set()

    # A handler runs amid whatever the main thread does. There it could meet a lock that is held
    # already, such as that of `stop`; so the main thread does nothing but wait.
    following = Thread(target=follower.run, args=(stop,), name="follower", daemon=True)
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        following.start()
        following.join()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return caught[0] if caught else None
