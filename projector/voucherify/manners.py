"""Judges an answer: what becomes of it, and how long to wait before the next request. PURE."""

from __future__ import annotations

from enum import StrEnum

from attrs import frozen

from projector.voucherify.limits import Limits

#: The tries of a request that gets no answer, or that of a server's fault (5xx).
TRIES_MAX = 5

#: How often in a row one request may be answered with 429 (too many requests).
THROTTLED_MAX = 10

#: The longest wait, in seconds; a run that would have to wait longer stops instead.
WAIT_SECONDS_MAX = 600.0

#: The longest wait between two tries, if no header states one.
BACKOFF_SECONDS_MAX = 60.0

#: The wait, in seconds, if few requests are left and no header states until when.
_UNKNOWN_RESET_SECONDS = 60.0

_OK, _NOT_FOUND, _REQUEST_TIMEOUT, _TOO_MANY = 200, 404, 408, 429
_UNAUTHORISED = (401, 403)


class StopReason(StrEnum):
    """Why a run of requests ends before its end."""

    #: The number of requests that were allowed is used up.
    BUDGET = "budget"
    #: The requests of the billing cycle are used up, or all but the reserve.
    CYCLE_QUOTA = "cycle_quota"
    #: The next request would have to wait for longer than WAIT_SECONDS_MAX.
    RATE_LIMIT = "rate_limit"
    #: Too many customers in a row could not be read.
    FAILURES = "failures"
    #: The process is to end.
    INTERRUPTED = "interrupted"
    #: An error, which is raised.
    ERROR = "error"


class Action(StrEnum):
    """The fate of an answer."""

    USE = "use"
    #: The object of the request does not exist.
    ABSENT = "absent"
    #: Send the request again.
    REPEAT = "repeat"
    #: Give up this request; others may succeed.
    FAIL = "fail"
    #: End the run; the request may succeed another time.
    STOP = "stop"
    #: The credentials are refused.
    REFUSED = "refused"
    #: The request is refused.
    REJECTED = "rejected"
    #: This is not the API.
    UNEXPECTED = "unexpected"


@frozen(kw_only=True)
class Verdict:
    """The consequence of an answer, for itself and for the next requests."""

    action: Action
    #: For how long no thread may send a request.
    hold_seconds: float = 0.0
    #: For how long this thread waits before it repeats its own.
    rest_seconds: float = 0.0
    #: Why the run ends, at once or, with USE, after this answer.
    stop: StopReason | None = None


def judge(
    status: int | None,
    limits: Limits,
    *,
    tries: int,
    throttled: int,
    reserve_percent: float,
    chance: float,
) -> Verdict:
    """Judge an answer; a status of None means that none came.

    `tries` and `throttled` count the earlier answers to the same request: those that were none or
    a server's fault, and those with 429. `chance` (0 to 1) spreads waits that no header states
    (full jitter), so that several clients do not come back at one moment.
    """
    if status == _TOO_MANY:
        return _throttle(limits, throttled, chance)
    if status is None or status >= 500 or status == _REQUEST_TIMEOUT:
        return _retry(limits, tries, chance)
    if status in _UNAUTHORISED:
        return Verdict(action=Action.REFUSED)
    if status == _OK:
        return _use(limits, Action.USE, reserve_percent)
    if status == _NOT_FOUND:
        return _use(limits, Action.ABSENT, reserve_percent)
    return Verdict(action=Action.REJECTED if status >= 400 else Action.UNEXPECTED)


def backoff_seconds(count: int, chance: float) -> float:
    """Return the wait after `count` earlier ones: up to 1, 2, 4 … 60 seconds, by chance."""
    return min(2.0**count, BACKOFF_SECONDS_MAX) * chance


def _throttle(limits: Limits, throttled: int, chance: float) -> Verdict:
    if limits.is_of_cycle:
        return Verdict(action=Action.STOP, stop=StopReason.CYCLE_QUOTA)
    seconds = limits.wait_seconds
    if seconds is None:
        seconds = backoff_seconds(throttled, chance)
    if seconds > WAIT_SECONDS_MAX or throttled + 1 >= THROTTLED_MAX:
        return Verdict(action=Action.STOP, stop=StopReason.RATE_LIMIT)
    return Verdict(action=Action.REPEAT, hold_seconds=seconds)


def _retry(limits: Limits, tries: int, chance: float) -> Verdict:
    if tries + 1 >= TRIES_MAX:
        return Verdict(action=Action.FAIL)
    if limits.retry_after_seconds is None:
        return Verdict(action=Action.REPEAT, rest_seconds=backoff_seconds(tries, chance))
    if limits.retry_after_seconds > WAIT_SECONDS_MAX:
        return Verdict(action=Action.STOP, stop=StopReason.RATE_LIMIT)
    return Verdict(action=Action.REPEAT, hold_seconds=limits.retry_after_seconds)


def _use(limits: Limits, action: Action, reserve_percent: float) -> Verdict:
    """Use the answer, and leave the reserve of the plan's requests to others."""
    if not limits.is_within_reserve(reserve_percent):
        return Verdict(action=action)
    if limits.is_of_cycle:
        return Verdict(action=action, stop=StopReason.CYCLE_QUOTA)
    seconds = limits.wait_seconds
    if seconds is None:
        seconds = _UNKNOWN_RESET_SECONDS
    if seconds > WAIT_SECONDS_MAX:
        return Verdict(action=action, stop=StopReason.RATE_LIMIT)
    return Verdict(action=action, hold_seconds=seconds)
