"""Runs a piece of work on several threads that a run's end does not wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from threading import Lock, Thread
from typing import TypeVar

from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace

T = TypeVar("T")


def run_each(
    items: Iterable[T], work: Callable[[T], None], *, workers: int, pace: Pace, name: str
) -> None:
    """Call `work` with each item, on several threads, and raise the first error.

    Daemon threads: one that waits for an answer must not keep the process from ending. An error
    ends the run for the others.
    """
    left, lock = iter(items), Lock()
    errors: list[BaseException] = []

    def take() -> None:
        try:
            while True:
                with lock:
                    item = next(left, None)
                if item is None:
                    return
                work(item)
        except BaseException as error:
            errors.append(error)
            pace.end(StopReason.ERROR)

    threads = [
        Thread(target=take, name=f"{name}-{number}", daemon=True) for number in range(workers)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if errors:
        raise errors[0]
