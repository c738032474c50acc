"""The `run` command: follows the log and keeps the tables up to date."""

from __future__ import annotations

import signal
from threading import Event, Thread
from types import FrameType

from projector import logs
from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Url
from projector.config import read_settings
from projector.runner.follower import Follower

#: The lock timeout, in seconds, while another process holds the lock; then the failure is logged,
#: and tried again.
LOCK_SECONDS_MAX = 10.0

#: The idle-in-transaction timeout, in seconds: for how long Postgres keeps the locks of a process
#: that was stopped during a transaction.
IDLE_SECONDS_MAX = 30.0

#: The longest wait for the follower's thread, in seconds, after which signals are handled.
_JOIN_SECONDS = 0.2


def run(*, url: Url) -> None:
    """Follow the log and keep the tables up to date, until stopped.

    Several processes may run at once, on several machines: one leads, the others stand by and take
    over when it stops or dies. SIGTERM or Ctrl-C ends the process after its current batch.
    """
    with open_projector(
        url,
        create=True,
        direct_url=read_settings().direct_database_url,
        lock_seconds_max=LOCK_SECONDS_MAX,
        idle_seconds_max=IDLE_SECONDS_MAX,
    ) as projector:
        follower = projector.follower()
        other = projector.lease_monitor().look().holder
        standby = "" if other is None else f", on standby while {other} is alive"
        output.line(f"{follower.holder} follows {projector.database}{standby}.", stderr=True)
        logs.configure()
        ended_by = _follow_until_signalled(follower)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt


def _follow_until_signalled(follower: Follower) -> int | None:
    """Follow in a thread, and return the signal that ended it."""
    stop, caught = Event(), list[int]()

    def end(number: int, _frame: FrameType | None) -> None:
        if caught:
            # A second signal means that the user does not want to wait for the batch.
            raise KeyboardInterrupt
        caught.append(number)
        stop.set()

    # A signal handler interrupts the main thread anywhere, and would deadlock on a lock that this
    # thread already holds, such as that of `stop`. So the main thread does nothing but wait.
    following = Thread(target=follower.run, args=(stop,), name="follower", daemon=True)
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        following.start()
        while following.is_alive():
            # Not for ever: a signal that comes right before the wait would not end it.
            following.join(_JOIN_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return caught[0] if caught else None
