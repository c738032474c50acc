"""The `run` command: follows the log and keeps the tables up to date."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from threading import Event, Thread
from types import FrameType

from projector import logs
from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Url, Whole
from projector.cli.sealer_options import CHECKPOINT_SECONDS, sealer_config
from projector.config import read_settings

#: The lock timeout, in seconds, while another process holds the lock; then the failure is logged,
#: and tried again.
LOCK_SECONDS_MAX = 10.0

#: The idle-in-transaction timeout, in seconds: for how long Postgres keeps the locks of a process
#: that was stopped during a transaction.
IDLE_SECONDS_MAX = 30.0

#: The longest wait for the follower's thread, in seconds, after which signals are handled.
_JOIN_SECONDS = 0.2


def run(
    *,
    url: Url,
    checkpoint_key: str | None = None,
    checkpoint_out: str | None = None,
    checkpoint_every: Whole = CHECKPOINT_SECONDS,
) -> None:
    """Follow the log and keep the tables up to date, until stopped.

    Several processes may run at once, on several machines: one leads, the others stand by and take
    over when it stops or dies. SIGTERM or Ctrl-C ends the process after its current batch.

    Parameters
    ----------
    checkpoint_key
        The file of the key that signs checkpoints of the log, which is sealed behind the appends.
    checkpoint_out
        The file that has the last checkpoint.
    checkpoint_every
        The time between two checkpoints, in seconds.
    """
    config = sealer_config(checkpoint_key, checkpoint_out, checkpoint_every)
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
        works = [follower.run]
        if config is not None:
            from projector.sealing.sealer import Sealer

            works.append(Sealer(projector.database, config, is_leading=follower.is_leading).run)
        ended_by = _work_until_signalled(works)
    if ended_by == signal.SIGINT:
        raise KeyboardInterrupt


def _work_until_signalled(works: Sequence[Callable[[Event], None]]) -> int | None:
    """Do each work in a thread until a signal, or the end of one, stops all; return the signal."""
    stop, caught = Event(), list[int]()

    def end(number: int, _frame: FrameType | None) -> None:
        if caught:
            # A second signal means that the user does not want to wait for the batch.
            raise KeyboardInterrupt
        caught.append(number)
        stop.set()

    # A signal handler interrupts the main thread anywhere, and would deadlock on a lock that this
    # thread already holds, such as that of `stop`. So the main thread does nothing but wait.
    threads = [Thread(target=_work, args=(work, stop), daemon=True) for work in works]
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            # Not for ever: a signal that comes right before the wait would not end it.
            alive[0].join(_JOIN_SECONDS)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return caught[0] if caught else None


def _work(work: Callable[[Event], None], stop: Event) -> None:
    try:
        work(stop)
    finally:
        stop.set()
