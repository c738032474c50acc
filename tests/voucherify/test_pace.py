"""The pace of requests, on a clock that only moves when a thread waits."""

from contextlib import suppress
from threading import Event, Thread

import pytest

from projector.voucherify.manners import StopReason
from projector.voucherify.pace import Pace, RunStopped


class _Time:
    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def _pace(time: _Time, *, per_minute: float = 60, requests_max: int = 1000) -> Pace:
    return Pace(
        per_minute=per_minute,
        requests_max=requests_max,
        stop=Event(),
        clock=time.clock,
        wait=time.wait,
    )


def _times(pace: Pace, time: _Time, count: int) -> list[float]:
    found = []
    for _ in range(count):
        pace.take()
        found.append(round(time.now - 100, 6))
    return found


def test_requests_are_spaced_evenly_and_never_in_bursts() -> None:
    time = _Time()
    pace = _pace(time, per_minute=120)
    assert _times(pace, time, 4) == [0, 0.5, 1, 1.5]
    time.now += 60
    assert _times(pace, time, 3) == [61.5, 62, 62.5]


def test_a_hold_is_for_all_and_a_shorter_one_does_not_end_it() -> None:
    time = _Time()
    pace = _pace(time)
    pace.take()
    pace.hold(40)
    pace.hold(3)
    assert pace.held_seconds == 40
    assert _times(pace, time, 2) == [40, 41]


def test_the_budget_ends_the_run_exactly_and_without_a_wait() -> None:
    time = _Time()
    pace = _pace(time, requests_max=3)
    _times(pace, time, 3)
    pace.hold(500)
    before = time.now
    with pytest.raises(RunStopped) as caught:
        pace.take()
    assert (caught.value.reason, pace.requests, time.now) == (StopReason.BUDGET, 3, before)


def test_the_first_reason_stays() -> None:
    pace = _pace(_Time())
    pace.end(StopReason.CYCLE_QUOTA)
    pace.end(StopReason.INTERRUPTED)
    for act in (pace.take, pace.check, lambda: pace.rest(1)):
        with pytest.raises(RunStopped) as caught:
            act()
        assert caught.value.reason is StopReason.CYCLE_QUOTA


def test_a_stop_ends_a_long_wait_at_once() -> None:
    stop = Event()
    pace = Pace(per_minute=60, requests_max=10, stop=stop)
    pace.hold(600)
    ended: list[StopReason] = []

    def wait() -> None:
        with pytest.raises(RunStopped) as caught:
            pace.take()
        ended.append(caught.value.reason)

    thread = Thread(target=wait)
    thread.start()
    stop.set()
    thread.join(5)
    assert ended == [StopReason.INTERRUPTED]


def test_threads_share_the_pace_and_the_budget() -> None:
    pace = Pace(per_minute=100_000, requests_max=500, stop=Event())

    def work() -> None:
        with suppress(RunStopped):
            while True:
                pace.take()

    threads = [Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert pace.requests == 500
