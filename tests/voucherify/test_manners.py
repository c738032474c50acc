"""The verdict on each kind of answer, and the wait after it: one line for each."""

from typing import Any

import pytest

from projector.voucherify.limits import Limits
from projector.voucherify.manners import (
    THROTTLED_MAX,
    TRIES_MAX,
    WAIT_SECONDS_MAX,
    Action,
    StopReason,
    Verdict,
    backoff_seconds,
    judge,
)

_FEW: dict[str, Any] = {"limit": 100, "remaining": 29}


def _judge(status: int | None, *, tries: int = 0, throttled: int = 0, **limits: Any) -> Verdict:
    more: dict[str, Any] = {"reserve_percent": 30, "chance": 0.5}
    return judge(status, Limits(**limits), tries=tries, throttled=throttled, **more)


@pytest.mark.parametrize(
    ("status", "action"),
    [
        (200, Action.USE),
        (404, Action.ABSENT),
        (401, Action.REFUSED),
        (403, Action.REFUSED),
        (400, Action.REJECTED),
        (422, Action.REJECTED),
        (204, Action.UNEXPECTED),
        (301, Action.UNEXPECTED),
        (307, Action.UNEXPECTED),
        (408, Action.REPEAT),
        (429, Action.REPEAT),
        (500, Action.REPEAT),
        (503, Action.REPEAT),
        (None, Action.REPEAT),
    ],
)
def test_each_status_has_its_action(status: int | None, action: Action) -> None:
    assert _judge(status).action is action


def test_all_threads_wait_after_429_as_long_as_it_says() -> None:
    assert _judge(429, retry_after_seconds=7, reset_seconds=40).hold_seconds == 7
    assert _judge(429, reset_seconds=40).hold_seconds == 40
    waits = [_judge(429, throttled=count).hold_seconds for count in range(THROTTLED_MAX - 1)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff_seconds(3, 0.0) == 0
    assert backoff_seconds(10_000 // 100, 1.0) == 60


def test_a_429_ends_the_run_if_waiting_is_no_use() -> None:
    assert _judge(429, is_of_cycle=True, retry_after_seconds=1).stop is StopReason.CYCLE_QUOTA
    for name in ("retry_after_seconds", "reset_seconds"):
        limits: dict[str, Any] = {name: WAIT_SECONDS_MAX + 1}
        verdict = _judge(429, **limits)
        assert (verdict.action, verdict.stop) == (Action.STOP, StopReason.RATE_LIMIT)
    assert _judge(429, retry_after_seconds=WAIT_SECONDS_MAX).action is Action.REPEAT
    assert _judge(429, throttled=THROTTLED_MAX - 1).stop is StopReason.RATE_LIMIT


def test_a_fault_of_the_server_is_tried_again_a_few_times() -> None:
    for status in (500, None):
        verdicts = [_judge(status, tries=tries) for tries in range(TRIES_MAX)]
        assert [each.action for each in verdicts] == [Action.REPEAT] * 4 + [Action.FAIL]
        assert [each.rest_seconds for each in verdicts] == [0.5, 1, 2, 4, 0]
        assert not any(each.hold_seconds for each in verdicts)
    assert _judge(503, retry_after_seconds=9).hold_seconds == 9
    assert _judge(503, retry_after_seconds=601).stop is StopReason.RATE_LIMIT


@pytest.mark.parametrize("status", [200, 404])
def test_an_answer_is_used_before_the_reserve_is_respected(status: int) -> None:
    used = _judge(status).action
    assert _judge(status, limit=100, remaining=30) == Verdict(action=used)
    assert _judge(status, **_FEW, reset_seconds=40) == Verdict(action=used, hold_seconds=40)
    assert _judge(status, **_FEW) == Verdict(action=used, hold_seconds=60)
    cycle = Verdict(action=used, stop=StopReason.CYCLE_QUOTA)
    assert _judge(status, **_FEW, is_of_cycle=True) == cycle
    hours = Verdict(action=used, stop=StopReason.RATE_LIMIT)
    assert _judge(status, **_FEW, reset_seconds=3600) == hours
